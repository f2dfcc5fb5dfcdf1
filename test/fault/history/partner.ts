import { type Issuance, NotDeliveredError } from '../../../src/index.js';
import type { Ending, Traffic } from './traffic.js';

/** What a delivery comes to. */
export type DeliveryMood = Ending | 'held';

export const DELIVERY_MOODS: readonly DeliveryMood[] = ['done', 'refused', 'lost', 'done and lost', 'held'];

/** Whom coupons are delivered to, outside. */
export class Partner {
  /** What the next deliveries come to; then they are done. */
  moods: DeliveryMood[] = [];
  /** Told of each coupon that arrives. */
  onDelivery: (issuance: Issuance) => void = () => {};
  readonly #traffic: Traffic;

  constructor(traffic: Traffic) {
    this.#traffic = traffic;
  }

  async deliver(issuance: Issuance): Promise<void> {
    const mood = this.moods.shift() ?? 'done';
    const ending = mood === 'held' ? await this.#traffic.hold(`delivery to ${issuance.userId}`) : mood;
    if (ending !== 'done') this.#traffic.injected(`deliveries ${ending}`);
    if (ending === 'refused') throw new NotDeliveredError('the partner says no');
    if (ending !== 'lost') this.onDelivery(issuance);
    if (ending !== 'done') throw new Error('the partner did not answer');
  }
}
