/** The way between your adapter and its database, so that the kit can make it fail. */
export interface Wire {
  /**
   * Runs one unit of work and returns its result: a statement in autocommit, or a transaction from its begin to its
   * commit. In some cases the unit fails as on a bad network: before it ran, after it ran, or with a run after the
   * adapter gave up.
   */
  send<T>(work: () => PromiseLike<T> | T): Promise<T>;
}

/** How a unit of work fails, with the code of the error that the adapter sees. */
const FAULTS = {
  /** It never runs. */
  unreachable: 'ECONNREFUSED',
  /** It runs, and its answer is lost. */
  answer_lost: 'ECONNRESET',
  /** Its caller gives up at once; it runs later. */
  late: 'ETIMEDOUT',
} as const;

export type Fault = keyof typeof FAULTS;

type Work = () => unknown;

/** The kit's own end of a wire. */
export class FaultyWire implements Wire {
  #units = 0;
  #struckUnit = -1;
  #fault: Fault | null = null;
  #late: Work | null = null;

  /** Whether anything ever went over it. */
  get used(): boolean {
    return this.#units > 0;
  }

  /** A property, so that it may be taken out of the object. */
  readonly send = async <T>(work: () => PromiseLike<T> | T): Promise<T> => {
    const fault = this.#units++ === this.#struckUnit ? this.#fault : null;
    if (fault === null) return work();
    this.#fault = null;
    if (fault === 'answer_lost') await runToItsEnd(work);
    if (fault === 'late') this.#late = work;
    throw Object.assign(new Error(`the wire failed on purpose: ${fault}`), { code: FAULTS[fault] });
  };

  /** Of the units to come, the one after so many others will fail. */
  strike(fault: Fault, { after }: { after: number }): void {
    this.#struckUnit = this.#units + after;
    this.#fault = fault;
  }

  /** No unit will fail any more. Answers whether one did. */
  calm(): boolean {
    const struck = this.#fault === null;
    this.#struckUnit = -1;
    this.#fault = null;
    return struck;
  }

  /** The work that was given up runs now. */
  async arrive(): Promise<void> {
    const work = this.#late;
    this.#late = null;
    if (work) await runToItsEnd(work);
  }
}

/** Runs the unit, and drops its outcome. */
async function runToItsEnd(work: Work): Promise<void> {
  try {
    await work();
  } catch {
    // A unit that the database refuses has stored nothing, and its caller is gone.
  }
}
