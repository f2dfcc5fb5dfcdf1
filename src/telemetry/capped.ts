/** The label of each value beyond the cap. */
const OTHER = '_other';

/** The values of a label, the first ones that come: no crowd of campaigns makes a crowd of series. */
export class CappedLabel {
  readonly #most: number;
  readonly #known: Set<string>;

  constructor(most: number, first: readonly string[] = []) {
    this.#most = Math.max(most, first.length);
    this.#known = new Set(first);
  }

  get known(): readonly string[] {
    return [...this.#known];
  }

  get isFull(): boolean {
    return this.#known.size >= this.#most;
  }

  /** `isReal`: whether it may take a place. */
  of(value: string, isReal = true): string {
    if (this.#known.has(value)) return value;
    if (this.isFull || !isReal) return OTHER;
    this.#known.add(value);
    return value;
  }
}
