import type { Caller } from '../flow/batcher.js';
import { monotonicMs } from '../flow/deadline.js';
import type { CampaignSnapshot } from '../model/campaign-rules.js';
import { mintId } from '../model/issuance.js';
import type { NotReadyReason } from '../model/result.js';
import type { ValidityRules } from '../model/validity.js';
import { type ReadFields, readFields } from './campaign-fields.js';
import type { RedisClient } from './client.js';
import { generationOf } from './generation.js';
import { Verbs, type VerbsOptions } from './held.js';
import { JointCalls, type Leaving } from './joint-calls.js';
import { type CampaignKeys, campaignKeys } from './keys.js';
import type { RecordOf } from './record.js';
import { NewerCampaignError } from './reply-words.js';
import { type Reply, type Script, ScriptRunner } from './runner.js';
import { scripts } from './scripts.js';
import { Rights } from './server-check.js';

/** The parts that all shards of an issuer share. */
export interface RedisContext {
  readonly runner: ScriptRunner;
  readonly rights: Rights;
  readonly prefix: string;
  readonly timeoutMs: number;
  /** Why a campaign has no state: resolves where it was lost. Throws `CampaignOverError`, `UnknownCampaignError`. */
  readonly assertLost: (shard: Shard, isMissing?: boolean) => Promise<void>;
  /** This issuer's random id, and its next call number: together they name one call. */
  readonly sender: string;
  readonly nextCall: () => number;
  /** How the verbs of reservations are batched. */
  readonly verbs: VerbsOptions;
  /** Of many campaigns in one call. */
  readonly reserves: JointCalls<(typeof scripts.reserve.args)[number], never>;
  readonly confirms: JointCalls<(typeof scripts.confirm.args)[number], (typeof scripts.confirm.each)[number]>;
}

/** The arguments of one send of a call. */
export interface Sending {
  readonly epoch: string;
  /** The highest stamp that was seen under this epoch. */
  readonly fence: string;
  /** Monotonic ms, before it left. */
  readonly sentAt: number;
}

/** The shared parts of a new issuer. */
export function redisContext(
  redis: RedisClient,
  own: Pick<RedisContext, 'prefix' | 'timeoutMs' | 'assertLost' | 'verbs'>,
): RedisContext {
  const runner = new ScriptRunner(redis);
  let call = 0;
  return {
    ...own,
    runner,
    rights: new Rights(runner),
    sender: mintId(),
    nextCall: () => ++call,
    reserves: new JointCalls(runner, scripts.reserve),
    confirms: new JointCalls(runner, scripts.confirm),
  };
}

/**
 * The part of a campaign that is in one hash slot, as this process knows it: its keys and its epoch. The highest stamp
 * that was seen is the fence against a rollback. Of the rules a shard knows only those that a record needs: the lease
 * and the validity.
 */
export class Shard {
  readonly campaignId: string;
  readonly keys: CampaignKeys;
  readonly context: RedisContext;
  /** Receives all fields of each read that this process follows. */
  readonly #follow: ((fields: ReadFields) => void) | null;
  #epoch = '';
  #leaseMs = 0;
  #validity: ValidityRules | null = null;
  #verified = false;
  #building = false;
  #fence = 0;
  #readAtMs = 0;
  #verbs: Verbs | null = null;

  constructor(context: RedisContext, campaignId: string, follow: ((fields: ReadFields) => void) | null = null) {
    this.context = context;
    this.campaignId = campaignId;
    this.keys = campaignKeys(context.prefix, campaignId);
    this.#follow = follow;
  }

  /** As of the last read: for calls that only read, and calls that make or remove a state. */
  get epoch(): string {
    return this.#epoch;
  }

  /** Of the epoch; 0 before the first read. */
  get generation(): number {
    return this.#epoch === '' ? 0 : generationOf(this.#epoch);
  }

  /**
   * The epoch that calls name: none before the state was seen to serve. A call that names the epoch of a state under
   * way is refused now, and a late copy of it would be served once that state is whole.
   */
  get servingEpoch(): string {
    return this.#verified ? this.#epoch : '';
  }

  /** The clock of Redis at the last read, ms. */
  get readAtMs(): number {
    return this.#readAtMs;
  }

  get leaseMs(): number {
    return this.#leaseMs;
  }

  /** Whose record it is, and the rule that gives it its end. */
  recordOf(userId: string, epoch: string): RecordOf {
    return { campaignId: this.campaignId, userId, epoch, validity: this.#validity };
  }

  get fence(): string {
    return String(this.#fence);
  }

  /** For a call that leaves now. */
  sending(): Sending {
    return { epoch: this.servingEpoch, fence: this.fence, sentAt: monotonicMs() };
  }

  /**
   * Whether it serves, as of the last read: the database of a campaign that was just written has yet to be found empty.
   */
  get verified(): boolean {
    return this.#verified;
  }

  /** Whether it was being rebuilt, as of the last read. */
  get building(): boolean {
    return this.#building;
  }

  /** The verbs of reservations that were made under this epoch. Calls under the last epoch asked for share batches. */
  verbs(epoch: string): Verbs {
    if (this.#verbs?.epoch !== epoch) this.#verbs = new Verbs(this, epoch, this.context.verbs);
    return this.#verbs;
  }

  /** A stamp of another epoch says nothing of this one. */
  sawStamp(epoch: string, stamp: number): void {
    if (epoch === this.#epoch && stamp > this.#fence) this.#fence = stamp;
  }

  /**
   * Sends a script. Before the first script that writes on a connection, it asks for the rights of this Redis user: one
   * more round trip. Throws `NewerCampaignError`.
   */
  run<A extends string, E extends string>(
    script: Script<keyof CampaignKeys, A, E>,
    args: Readonly<Record<A, string>>,
    items?: readonly Readonly<Record<E, string>>[],
    timeoutMs = this.context.timeoutMs,
  ): Promise<Reply> {
    const { rights, runner } = this.context;
    const call = items ? { keys: this.keys, args, items } : { keys: this.keys, args };
    if (script.reads || runner.mayWrite) return runner.run(script, call, timeoutMs).then(this.known);
    const endsAt = monotonicMs() + timeoutMs;
    return rights
      .assert(this.keys, timeoutMs)
      .then(() => runner.run(script, call, Math.max(1, endsAt - monotonicMs())))
      .then(this.known);
  }

  /** The same for a script whose calls many campaigns share. The reply is told as it is, and `known` judges it. */
  handJointly<A extends string, E extends string>(
    calls: JointCalls<A, E>,
    leaving: Leaving<A, E>,
    caller: Caller<Reply>,
  ): void {
    const { rights, runner } = this.context;
    if (runner.mayWrite) calls.hand(leaving, caller);
    else
      rights.assert(this.keys, leaving.deadlineAt - monotonicMs()).then(
        () => calls.hand(leaving, caller),
        (error: unknown) => caller.reject(error),
      );
  }

  runJointly<A extends string, E extends string>(calls: JointCalls<A, E>, leaving: Leaving<A, E>): Promise<Reply> {
    return new Promise((resolve, reject) => this.handJointly(calls, leaving, { resolve, reject }));
  }

  /** Throws `NewerCampaignError`. */
  readonly known = (reply: Reply): Reply => {
    if (reply[0] === 'unknown_format') throw new NewerCampaignError(this.campaignId);
    return reply;
  };

  /**
   * Reads the campaign and follows its epoch, never to a lower generation and never to a state that is behind. One
   * round trip.
   */
  async refresh(): Promise<CampaignSnapshot | NotReadyReason> {
    // Other calls may see a later state meanwhile, or follow another epoch.
    const [known, fence] = [this.#epoch, this.#fence];
    const reply = await this.run(scripts.inspect, {});
    this.#readAtMs = Number(reply[1]);
    if (reply[0] === 'missing') return 'missing';
    const fields = readFields(this.campaignId, reply);
    const { epoch, leaseMs } = fields.snapshot;
    if (generationOf(epoch) < this.generation) return 'rolled_back';
    if (epoch === known && fields.stamp < fence) return 'rolled_back';
    if (epoch !== this.#epoch) this.#fence = 0;
    this.#epoch = epoch;
    this.sawStamp(epoch, fields.stamp);
    this.#leaseMs = leaseMs;
    this.#validity = fields.rules.validity;
    this.#verified = fields.verified;
    this.#building = fields.building;
    this.#follow?.(fields);
    return fields.snapshot;
  }

  /** The same. Throws `CampaignOverError` or `UnknownCampaignError` if the campaign is over or was never opened. */
  async read(): Promise<CampaignSnapshot | NotReadyReason> {
    const snapshot = await this.refresh();
    if (snapshot === 'missing') await this.context.assertLost(this, true);
    return snapshot;
  }
}
