import { inCall, type Operation } from '../model/methods.js';

/** Counts the work that this process started, so that callers can wait for its end. */
export class PendingWork {
  #count = 0;
  #idle: (() => void)[] = [];

  begin(): void {
    this.#count++;
  }

  end(): void {
    this.#count--;
    if (this.#count === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Counts the work until it is over, whatever its outcome. */
  async track<T>(work: Promise<T>): Promise<T> {
    this.begin();
    try {
      return await work;
    } finally {
      this.end();
    }
  }

  /** The same for a call of the public face: a fault of Redis is told under its name. */
  async call<T>(operation: Operation, work: Promise<T>): Promise<T> {
    this.begin();
    try {
      return await work;
    } catch (error) {
      throw inCall(operation, error);
    } finally {
      this.end();
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
