const MEASURED_MS = 5_000;

/** Lets people through at a rate that may be changed. A worker has one rate for life, so another one takes its place. */
export class Pace {
  #issuer;
  #campaignId;
  #worker;
  perSecond;

  constructor(issuer, campaignId, perSecond) {
    this.#issuer = issuer;
    this.#campaignId = campaignId;
    this.#start(perSecond);
  }

  /** Throws for a rate that the worker refuses; the old one goes on then. */
  async change(perSecond) {
    const before = this.#worker;
    this.#start(perSecond);
    await before.stop();
  }

  async stop() {
    await this.#worker.stop();
  }

  #start(admitPerSecond) {
    this.#worker = this.#issuer.startWorker({ campaigns: [this.#campaignId], admitPerSecond });
    this.perSecond = admitPerSecond;
  }
}

/** How fast a counter grew over the last seconds, from looks at it: whichever process let them through, it counts. */
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
