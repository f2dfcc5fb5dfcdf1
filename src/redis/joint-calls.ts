import { Batcher, type Caller, tell } from '../flow/batcher.js';
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

/** A call, and whom to tell its reply. */
interface Handed<A extends string, E extends string> {
  readonly leaving: Leaving<A, E>;
  readonly caller: Caller<Reply>;
}

/** The same with its keys and arguments. */
interface SentPlace<A extends string, E extends string> extends Handed<A, E> {
  readonly call: Call<A, E>;
}

/** The reply to a call that nobody waited for, and that was not sent. */
const UNSENT: Reply = [];
/** Each caller is told by its own call, not by the batch. */
const TOLD: Caller<unknown> = { resolve() {}, reject() {} };

/**
 * Calls of one script. Those of many campaigns share one round trip, each with its own reply and its own error. A call
 * leaves at the end of its tick, in the order of the calls; only while several are under way it waits for one of them.
 */
export class JointCalls<A extends string, E extends string> {
  readonly #runner: ScriptRunner;
  readonly #script: Script<keyof CampaignKeys, A, E>;
  readonly #batcher: Batcher<Handed<A, E>, unknown>;
  /** The keys of two campaigns may not meet in a call here, though the client does not look like that of a Cluster. */
  #isApart = false;

  constructor(runner: ScriptRunner, script: Script<keyof CampaignKeys, A, E>) {
    this.#runner = runner;
    this.#script = script;
    const run = (handed: Handed<A, E>[]) => this.#send(handed);
    this.#batcher = new Batcher({ run, maxBatch: MOST_CAMPAIGNS, maxInFlight: IN_FLIGHT });
  }

  hand(leaving: Leaving<A, E>, caller: Caller<Reply>): void {
    if (!this.#runner.isCluster && !this.#isApart) this.#batcher.hand({ leaving, caller }, TOLD);
    else void this.#send([{ leaving, caller }]);
  }

  /** Never rejects. */
  #send(handed: readonly Handed<A, E>[]): Promise<readonly unknown[]> {
    const sent: Promise<void>[] = [];
    let joint = new JointCall<A, E>();
    for (const one of handed) {
      const call = this.#made(one.leaving);
      if (!call || call instanceof Error) {
        answer(one.caller, call ?? UNSENT);
        continue;
      }
      if (!joint.hasRoomFor(one.leaving, call) || this.#isApart) {
        sent.push(this.#sendTogether(joint.places));
        joint = new JointCall();
      }
      joint.add({ ...one, call });
    }
    sent.push(this.#sendTogether(joint.places));
    return Promise.all(sent);
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

  /** Tells each of them. Never rejects. */
  async #sendTogether(places: readonly SentPlace<A, E>[]): Promise<void> {
    if (places.length === 0) return;
    const replies = await this.#ask(places);
    if (places.length > 1) await this.#askApart(places, replies);
    for (const [at, { caller }] of places.entries()) answer(caller, replies[at]!);
  }

  async #ask(places: readonly SentPlace<A, E>[]): Promise<(Reply | Error)[]> {
    const deadlineAt = places.reduce((latest, { leaving }) => Math.max(latest, leaving.deadlineAt), 0);
    const calls = places.map(({ call }) => call);
    try {
      return [...(await this.#runner.runJointly(this.#script, calls, Math.max(1, deadlineAt - monotonicMs())))];
    } catch (error) {
      return places.map(() => error as Error);
    }
  }

  /**
   * A server that serves a part of the keys alone refuses the call before it runs. One behind a proxy has no such
   * campaign. Such a call is sent once more by itself.
   */
  async #askApart(places: readonly SentPlace<A, E>[], replies: (Reply | Error)[]): Promise<void> {
    const lost = [...places.keys()].filter((at) => isOfAnotherServer(replies[at]!));
    const again = await Promise.all(lost.map(async (at) => (await this.#ask([places[at]!]))[0]!));
    for (const [i, at] of lost.entries()) replies[at] = again[i]!;
    if (lost.some((at) => !isOfAnotherServer(replies[at]!))) this.#isApart = true;
  }
}

/**
 * The campaigns of one call. Of one campaign it has one batch: while Redis works on it, this process makes the next one
 * ready.
 */
class JointCall<A extends string, E extends string> {
  readonly places: SentPlace<A, E>[] = [];
  readonly #campaigns = new Set<string>();
  #grants = 0;

  hasRoomFor({ grants }: Leaving<A, E>, { keys }: Call<A, E>): boolean {
    if (this.places.length === 0) return true;
    return this.#grants + grants <= MOST_GRANTS && !this.#campaigns.has(keys.campaign);
  }

  add(place: SentPlace<A, E>): void {
    this.places.push(place);
    this.#campaigns.add(place.call.keys.campaign);
    this.#grants += place.leaving.grants;
  }
}

function isOfAnotherServer(reply: Reply | Error): boolean {
  if (reply instanceof Error) return reply instanceof RedisError && reply.message.includes('CROSSSLOT');
  return reply[0] === 'missing';
}

function answer(caller: Caller<Reply>, reply: Reply | Error): void {
  if (reply instanceof Error) caller.reject(reply);
  else tell(caller, reply);
}
