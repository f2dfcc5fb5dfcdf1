import { Batcher, type Caller } from '../flow/batcher.js';
import { monotonicMs } from '../flow/deadline.js';
import { RedisError } from '../model/errors.js';
import type { CampaignKeys } from './keys.js';
import type { Reply, Script, ScriptCall, ScriptRunner } from './runner.js';

/** Campaigns of one call, and the grants that it looks at: so many keep Redis at work for some milliseconds. */
const MOST_CAMPAIGNS = 128;
const MOST_GRANTS = 512;
/** Calls under way, while others gather. */
const IN_FLIGHT = 4;

type Call<A extends string, E extends string> = ScriptCall<keyof CampaignKeys, A, E>;

/** A call of one campaign, whose reply is told once. */
export interface Leaving<A extends string = string, E extends string = string> {
  /** How many it looks at. */
  readonly grants: number;
  /** Monotonic ms: until when its reply is waited for. */
  readonly deadlineAt: number;
  /** Made when it leaves, from the state of that moment. `null`: nobody waits for it any more. */
  call(): Call<A, E> | null;
}

/** A call that leaves, and its place among the others. */
interface SentPlace<A extends string, E extends string> {
  readonly at: number;
  readonly call: Call<A, E>;
  readonly deadlineAt: number;
}

/** The reply to a call that nobody waited for, and that was not sent. */
const UNSENT: Reply = [];

/**
 * Calls of one script. Those of many campaigns share one round trip, each with its own reply and its own error. A call
 * leaves at the end of its tick, in the order of the calls; only while several are under way it waits for one of them.
 */
export class JointCalls<A extends string, E extends string> {
  readonly #runner: ScriptRunner;
  readonly #script: Script<keyof CampaignKeys, A, E>;
  readonly #batcher: Batcher<Leaving<A, E>, Reply | Error>;
  /** The keys of two campaigns may not meet in a call here, though the client does not look like that of a Cluster. */
  #isApart = false;

  constructor(runner: ScriptRunner, script: Script<keyof CampaignKeys, A, E>) {
    this.#runner = runner;
    this.#script = script;
    const run = (calls: Leaving<A, E>[]) => this.#send(calls);
    this.#batcher = new Batcher({ run, maxBatch: MOST_CAMPAIGNS, maxInFlight: IN_FLIGHT });
  }

  hand(leaving: Leaving<A, E>, caller: Caller<Reply>): void {
    const sharing = new Sharing(caller);
    if (!this.#runner.isCluster && !this.#isApart) this.#batcher.hand(leaving, sharing);
    else void this.#send([leaving]).then(([reply]) => sharing.resolve(reply!));
  }

  /** Never rejects. */
  async #send(leaving: readonly Leaving<A, E>[]): Promise<readonly (Reply | Error)[]> {
    const answers = new Array<Reply | Error>(leaving.length).fill(UNSENT);
    const sent: Promise<void>[] = [];
    let [places, grants]: [SentPlace<A, E>[], number] = [[], 0];
    for (let at = 0; at < leaving.length; at++) {
      const one = leaving[at]!;
      const call = this.#made(one);
      if (call instanceof Error) answers[at] = call;
      if (!call || call instanceof Error) continue;
      if (places.length > 0 && (grants + one.grants > MOST_GRANTS || this.#isApart)) {
        sent.push(this.#sendTogether(places, answers));
        [places, grants] = [[], 0];
      }
      places.push({ at, call, deadlineAt: one.deadlineAt });
      grants += one.grants;
    }
    if (places.length > 0) sent.push(this.#sendTogether(places, answers));
    await Promise.all(sent);
    return answers;
  }

  #made(leaving: Leaving<A, E>): Call<A, E> | Error | null {
    try {
      const call = leaving.call();
      if (call && leaving.deadlineAt <= monotonicMs()) return this.#runner.unsent('nothing was sent');
      return call;
    } catch (error) {
      return error as Error;
    }
  }

  async #sendTogether(places: readonly SentPlace<A, E>[], answers: (Reply | Error)[]): Promise<void> {
    const deadlineAt = places.reduce((latest, place) => Math.max(latest, place.deadlineAt), 0);
    const calls = places.map(({ call }) => call);
    try {
      const replies = await this.#runner.runJointly(this.#script, calls, Math.max(1, deadlineAt - monotonicMs()));
      for (const [nth, { at }] of places.entries()) answers[at] = replies[nth]!;
    } catch (error) {
      for (const { at } of places) answers[at] = error as Error;
    }
    if (places.length > 1) await this.#sendApart(places, answers);
  }

  /**
   * A server that serves a part of the keys alone refuses the call before it runs. One behind a proxy has no such
   * campaign. Such a call is sent once more by itself.
   */
  async #sendApart(places: readonly SentPlace<A, E>[], answers: (Reply | Error)[]): Promise<void> {
    const lost = places.filter(({ at }) => isOfAnotherServer(answers[at]!));
    await Promise.all(lost.map((place) => this.#sendTogether([place], answers)));
    if (lost.some(({ at }) => !isOfAnotherServer(answers[at]!))) this.#isApart = true;
  }
}

function isOfAnotherServer(answer: Reply | Error): boolean {
  if (answer instanceof Error) return answer instanceof RedisError && answer.message.includes('CROSSSLOT');
  return answer[0] === 'missing';
}

/** The part of one caller in a shared call. */
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
