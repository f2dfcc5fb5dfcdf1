const MEASURED_MS = 5_000;

/** How fast a counter grew over the last seconds, from looks at it: users admitted by any process count. */
export class Meter {
  #looks = [];

  note(count, at = performance.now()) {
    this.#looks = [...this.#looks.filter((look) => at - look.at <= MEASURED_MS), { count, at }];
  }

  /** `null` until there are two looks some time apart. */
  perSecond() {
    const [first, last] = [this.#looks[0], this.#looks.at(-1)];
    if (!first || last.at - first.at < 500) return null;
    return (Math.max(0, last.count - first.count) / (last.at - first.at)) * 1000;
  }
}
