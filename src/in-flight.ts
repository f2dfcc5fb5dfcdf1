/** Counts what this process started, so that it can be waited for. */
export class InFlight {
  #count = 0;
  #idle: (() => void)[] = [];

  /** Counts the work until it is over, whatever its outcome. */
  async track<T>(work: Promise<T>): Promise<T> {
    this.#count++;
    try {
      return await work;
    } finally {
      this.#count--;
      if (this.#count === 0) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  async idle(): Promise<void> {
    while (this.#count > 0) {
      await new Promise<void>((resolve) => {
        this.#idle.push(resolve);
      });
    }
  }
}
