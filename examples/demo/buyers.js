import { chance, jointWait } from './chance.js';

const MAX_ATTEMPTS = 10;

/** People at their phones: they press the button together, and again when it failed, under the request id of the first time. */
export class Buyers {
  /** The last thing each buyer was told. */
  told = [];
  /** What the winners were told when they asked again. */
  repeats = [];
  counts = { done: 0, notIssued: 0, accepted: 0, busy: 0 };
  count;
  #issuer;
  #campaignId;
  #seed;
  #breath = jointWait(20);

  constructor({ issuer, campaignId, seed, count }) {
    this.#issuer = issuer;
    this.#campaignId = campaignId;
    this.#seed = seed;
    this.count = count;
  }

  async buy() {
    const userIds = Array.from({ length: this.count }, (_, i) => `buyer-${i + 1}`);
    this.told = await Promise.all(
      userIds.map(async (userId) => {
        const told = await this.#persist(userId);
        this.counts.done++;
        return { userId, ...told };
      }),
    );
  }

  /** The button once more: under the same request id it shows the same coupon, under a new one it gives nothing. */
  async askAgain() {
    const holders = this.told.filter(({ status }) => status === 'issued' || status === 'accepted');
    this.repeats = await Promise.all(
      holders.map(async ({ userId }) => ({
        userId,
        same: await this.#ask(userId, 'first'),
        fresh: await this.#ask(userId, 'second'),
      })),
    );
  }

  async #persist(userId) {
    for (let attempt = 1; ; attempt++) {
      const told = await this.#ask(userId, 'first');
      if (told.status === 'accepted') {
        this.counts.accepted++;
        // Some close the page now. Their coupon is on its way all the same: settle finishes it.
        if (chance(this.#seed, 'leaves', userId, attempt) < 0.25) return told;
      } else if (told.status === 'NOT_ISSUED' || told.status === 'REDIS') {
        this.counts.notIssued++;
      } else if (told.status === 'OVERLOADED') {
        this.counts.busy++;
        attempt--;
      } else {
        return told;
      }
      if (attempt === MAX_ATTEMPTS) return told;
      await this.#breath();
    }
  }

  /** What this buyer is told: a result's status or an error's code, and the coupon if there is one. */
  async #ask(userId, requestId) {
    try {
      const result = await this.#issuer.campaign(this.#campaignId).issue({ userId, requestId });
      const { serial = null, code = null } = result.issuance ?? {};
      return { status: result.status, serial, code };
    } catch (error) {
      if (!error.code) throw error;
      return { status: error.code, serial: null, code: null };
    }
  }
}
