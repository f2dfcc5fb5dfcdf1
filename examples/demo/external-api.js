import { NotDeliveredError } from 'coupon-issuer';
import { chance, jointWait } from './chance.js';

/**
 * A partner's API that fails at a given rate. One half of its failures is certain: it refused before anything happened. The other half is
 * not: the connection broke, every second time after the coupon had gone out. A repeated id goes out once.
 */
export class ExternalApi {
  /** What the partner has on record: each id, with the user and the code it went out with. */
  deliveries = new Map();
  healthy = false;
  #calls = new Map();
  #answer = jointWait(3);
  #failureRate;
  #seed;

  constructor({ failureRate, seed }) {
    this.#failureRate = failureRate;
    this.#seed = seed;
  }

  async deliver({ id, userId, serial, code }) {
    await this.#answer();
    const call = (this.#calls.get(userId) ?? 0) + 1;
    this.#calls.set(userId, call);
    const draw = chance(this.#seed, 'api', userId, call) / this.#failureRate;
    const fails = !this.healthy && draw < 1;
    if (fails && draw < 0.5) throw new NotDeliveredError('the partner refused');
    if (!fails || draw < 0.75) this.deliveries.set(`${id}:${userId}:${code}`, { userId, serial, code });
    if (fails) throw new Error('the connection broke');
  }
}
