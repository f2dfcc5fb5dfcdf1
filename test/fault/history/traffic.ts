/** How a held call goes on. `refused`: it certainly does nothing; `lost`: it does nothing, and nobody is told; `done and lost`: it does, and nobody is told. */
export type Ending = 'done' | 'refused' | 'lost' | 'done and lost';

export const ENDINGS: readonly Ending[] = ['done', 'refused', 'lost', 'done and lost'];

/** A call that waits until the history goes on with it. */
export interface Held {
  readonly what: string;
  readonly goOn: (ending: Ending) => void;
}

/** What is under way between the processes, Redis, the database and the partner, but for what is held. */
export class Traffic {
  readonly held: Held[] = [];
  #underWay = 0;
  #wake = () => {};

  async of<T>(work: Promise<T>): Promise<T> {
    this.#underWay++;
    try {
      return await work;
    } finally {
      if (--this.#underWay === 0) this.#wake();
    }
  }

  hold(what: string): Promise<Ending> {
    return new Promise((goOn) => {
      this.held.push({ what, goOn });
    });
  }

  /** Resolves once nothing moves any more until a held call goes on. */
  async quiet(): Promise<void> {
    for (let calm = 0; calm < 3; calm++) {
      while (this.#underWay > 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        calm = 0;
      }
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }
}

/** What a process that died waits for. */
export const NEVER = new Promise<never>(() => {});
