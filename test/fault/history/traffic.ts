import type { Tally } from './ground.js';
import type { FatedCall, Send } from './wire.js';

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
  /** What becomes of the next call of a script, whoever sends it. */
  readonly fates: FatedCall[] = [];
  /** Every call that was sent, so that a copy of it can run at any later time. */
  readonly calls: { readonly name: string; readonly run: Send }[] = [];
  /** Whose unit some copy of a release gave back in this step, and in those before: the answer to it may come much later. */
  readonly released = new Set<string>();
  readonly releasedEarlier = new Set<string>();
  readonly #tally: Tally;
  #underWay = 0;
  #wake = () => {};

  constructor(tally: Tally) {
    this.#tally = tally;
  }

  /** A fault happened. */
  injected(fault: string): void {
    const { injected } = this.#tally;
    injected[fault] = (injected[fault] ?? 0) + 1;
  }

  async of<T>(work: Promise<T>): Promise<T> {
    this.#underWay++;
    try {
      return await work;
    } finally {
      if (--this.#underWay === 0) this.#wake();
    }
  }

  hold(what: string): Promise<Ending> {
    this.injected('held calls');
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
