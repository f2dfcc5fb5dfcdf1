import { Batcher, type Caller } from '../flow/batcher.js';
import { monotonicMs } from '../flow/deadline.js';
import type { CampaignKeys } from './keys.js';
import type { Reply, Script, ScriptCall, ScriptRunner } from './runner.js';

/** A call of more users is work enough for Redis by itself. */
const FEW = 16;
/** Campaigns of one call. So many keep Redis at work for about 3 ms. */
const MOST_CAMPAIGNS = 128;
/** Calls under way, while others gather. */
const IN_FLIGHT = 4;

/** A call of one campaign, whose reply is told once. */
export interface Leaving<A extends string = string, E extends string = string> {
  /** Of its users. */
  readonly size: number;
  /** Monotonic ms: until when its reply is waited for. */
  readonly deadlineAt: number;
  /** Asked when it leaves, so that it tells what was known by then. `null`: nobody waits for it any more. */
  call(): ScriptCall<keyof CampaignKeys, A, E> | null;
}

/** The reply to a call that nobody waited for, and that was not sent. */
const UNSENT: Reply = [];

/**
 * Calls of one script. Those of many campaigns share one round trip, each with its own reply and its own error. A call
 * leaves at the end of its tick; only while several are under way it waits for one of them.
 */
export class JointCalls<A extends string, E extends string> {
  readonly #runner: ScriptRunner;
  readonly #script: Script<keyof CampaignKeys, A, E>;
  readonly #batcher: Batcher<Leaving<A, E>, Reply | Error>;

  constructor(runner: ScriptRunner, script: Script<keyof CampaignKeys, A, E>) {
    this.#runner = runner;
    this.#script = script;
    const run = (calls: Leaving<A, E>[]) => this.#send(calls);
    this.#batcher = new Batcher({ run, maxBatch: MOST_CAMPAIGNS, maxInFlight: IN_FLIGHT });
  }

  hand(leaving: Leaving<A, E>, caller: Caller<Reply>): void {
    // Keys of two campaigns may not meet on a Cluster.
    if (leaving.size <= FEW && !this.#runner.isCluster) this.#batcher.hand(leaving, new Sharing(caller));
    else
      this.#send([leaving]).then(
        ([reply]) => new Sharing(caller).resolve(reply!),
        (error: unknown) => caller.reject(error),
      );
  }

  async #send(leaving: readonly Leaving<A, E>[]): Promise<readonly (Reply | Error)[]> {
    const now = monotonicMs();
    const answers: (Reply | Error)[] = [];
    const places: number[] = [];
    const calls: ScriptCall<keyof CampaignKeys, A, E>[] = [];
    let deadlineAt = now;
    for (let i = 0; i < leaving.length; i++) {
      const one = leaving[i]!;
      try {
        const call = one.call();
        answers[i] = UNSENT;
        if (!call) continue;
        if (one.deadlineAt <= now) throw this.#runner.unsent('nothing was sent');
        places.push(i);
        calls.push(call);
        deadlineAt = Math.max(deadlineAt, one.deadlineAt);
      } catch (error) {
        answers[i] = error as Error;
      }
    }
    if (calls.length === 0) return answers;
    const replies = await this.#runner.runJointly(this.#script, calls, deadlineAt - now);
    for (let nth = 0; nth < places.length; nth++) answers[places[nth]!] = replies[nth]!;
    return answers;
  }
}

/** The part of a call in what several share. */
class Sharing implements Caller<Reply | Error> {
  readonly #caller: Caller<Reply>;

  constructor(caller: Caller<Reply>) {
    this.#caller = caller;
  }

  resolve(reply: Reply | Error): void {
    if (reply instanceof Error) this.#caller.reject(reply);
    else this.#caller.resolve(reply);
  }

  reject(error: unknown): void {
    this.#caller.reject(error);
  }
}
