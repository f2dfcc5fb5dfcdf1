import { HttpProblem } from './answer.js';

const SOON = { 'Retry-After': '5' };

/** The event streams that are open, counted for all users and for each. */
export class OpenStreams {
  readonly #most: number;
  readonly #mostPerUser: number;
  readonly #ofUser = new Map<string, number>();
  #open = 0;

  constructor(most: number, mostPerUser: number) {
    this.#most = most;
    this.#mostPerUser = mostPerUser;
  }

  /** Takes a stream for this user, and returns the function that gives it back. Throws `HttpProblem` if none is free. */
  take(userId: string): () => void {
    const own = this.#ofUser.get(userId) ?? 0;
    if (own >= this.#mostPerUser) throw new HttpProblem(429, 'this user has too many event streams: close one', SOON);
    if (this.#open >= this.#most) throw new HttpProblem(503, 'too many event streams are open: try again', SOON);
    this.#open++;
    this.#ofUser.set(userId, own + 1);
    let isBack = false;
    return () => {
      if (isBack) return;
      isBack = true;
      this.#open--;
      const left = this.#ofUser.get(userId)! - 1;
      if (left > 0) this.#ofUser.set(userId, left);
      else this.#ofUser.delete(userId);
    };
  }
}
