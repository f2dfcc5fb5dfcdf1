import type { Grant, Message, Redis, State } from './state.js';
import type { World } from './world.js';

/** Stamps count by their order alone, unless the clock stands: then a state that was rolled back gives the same ones out again. */
export class StampRanks {
  readonly #absolute: boolean;
  readonly #rank = new Uint8Array(512);
  #highest = 0;

  constructor({ config }: World) {
    this.#absolute = config.clockStands;
  }

  of(stamp: number): number {
    return this.#rank[stamp]!;
  }

  /** Ranks all stamps that a state holds. */
  read(state: State): void {
    this.#rank.fill(0, 0, this.#highest + 1);
    this.#highest = 0;
    this.#redis(state.redis);
    if (state.snapshot) this.#redis(state.snapshot);
    for (const { stamp } of state.calls) this.#mark(stamp);
    for (const { stamp } of state.workers) this.#mark(stamp);
    this.#mark(state.operator.stamp);
    for (const { fence } of state.processes) this.#mark(fence);
    for (const { fence } of state.rebuilders) this.#mark(fence);
    for (const message of state.messages) this.#message(message);
    for (const { pending } of state.calls) if (pending) this.#message(pending);
    let rank = 0;
    for (let stamp = 0; stamp <= this.#highest; stamp++) {
      if (this.#absolute) this.#rank[stamp] = stamp;
      else if (this.#rank[stamp] || stamp === 0) this.#rank[stamp] = rank++;
    }
  }

  #mark(stamp: number): void {
    this.#rank[stamp] = 1;
    if (stamp > this.#highest) this.#highest = stamp;
  }

  #redis({ stamp, grants, senders, build }: Redis): void {
    this.#mark(stamp);
    this.#grants(grants);
    if (build?.old) this.#grants(build.old);
    for (const sender of senders) this.#mark(sender.stamp);
  }

  #grants(grants: readonly (Grant | null)[]): void {
    for (const grant of grants) if (grant) this.#mark(grant.stamp);
  }

  #message({ fence, items }: Message): void {
    this.#mark(fence);
    for (const { stamp } of items) this.#mark(stamp);
  }
}
