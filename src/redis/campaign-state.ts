import { monotonicMs } from '../flow/deadline.js';
import {
  type CampaignNeed,
  type CampaignRules,
  type CampaignSnapshot,
  generationOf,
  type RoomRules,
  type CampaignState as State,
} from '../model/campaign-rules.js';
import { MisconfiguredError, NotReadyError } from '../model/errors.js';
import { mintId } from '../model/issuance.js';
import { decodePace } from '../model/pace.js';
import type { NotReadyReason } from '../model/result.js';
import type { RedisClient } from './client.js';
import { Verbs, type VerbsOptions } from './held.js';
import { type CampaignKeys, campaignKeys } from './keys.js';
import { type Reply, type Script, ScriptRunner } from './runner.js';
import { scripts } from './scripts.js';
import { Rights } from './server-check.js';

/** The database of this process. */
export interface Store {
  /** Whether it was asked, and its table is fit. Looked at by every call. */
  readonly known: boolean;
  /** Which database it is, once it is known; `null`: it does not say. */
  readonly identity: string | null;
  /** The same in words. */
  readonly description: string;
  /**
   * Resolves once it is known; calls at the same time share one answer. Throws `MisconfiguredError`, and `HookError` if
   * it could not be asked. `brief`: a call that needs Redis alone waits a second at most, and goes on without an
   * answer.
   */
  ask(patience?: 'patient' | 'brief'): Promise<void>;
  /** Asks anew, at most once a second: the database may have been told since which one it is. */
  askAgain(): Promise<void>;
}

/** The parts that all campaigns of an issuer share. */
export interface RedisContext {
  readonly runner: ScriptRunner;
  readonly rights: Rights;
  readonly prefix: string;
  readonly timeoutMs: number;
  /** The hooks of this process; a campaign that needs others is not touched. */
  readonly has: readonly CampaignNeed[];
  /** The database of this process, which a campaign has to be bound to. `null`: none. */
  readonly store: Store | null;
  /** Why a campaign has no state: resolves where it was lost. Throws `CampaignOverError`, `UnknownCampaignError`. */
  readonly assertLost: (state: CampaignState, isMissing?: boolean) => Promise<void>;
  /** This issuer's random id, and its next call number: together they name one call. */
  readonly sender: string;
  readonly nextCall: () => number;
  /** How the verbs of reservations are batched. */
  readonly verbs: VerbsOptions;
}

/** The shared parts of a new issuer. */
export function redisContext(
  redis: RedisClient,
  own: Pick<RedisContext, 'prefix' | 'timeoutMs' | 'has' | 'store' | 'assertLost' | 'verbs'>,
): RedisContext {
  const runner = new ScriptRunner(redis);
  let call = 0;
  return { ...own, runner, rights: new Rights(runner), sender: mintId(), nextCall: () => ++call };
}

/**
 * One campaign as this process knows it: its epoch, its rules, and the highest stamp it saw, which is the fence against
 * a rollback.
 */
export class CampaignState {
  readonly id: string;
  readonly keys: CampaignKeys;
  readonly context: RedisContext;
  #epoch = '';
  #rules: CampaignRules | null = null;
  #openedWith: CampaignRules | null = null;
  /** Looked at by every call, so it is found out once. */
  #mismatch: string | null = null;
  #store: string | null = null;
  #leaseMs = 0;
  #verified = false;
  #building = false;
  #fence = 0;
  #readAtMs = 0;
  #verbs: Verbs | null = null;

  constructor(context: RedisContext, id: string) {
    this.context = context;
    this.id = id;
    this.keys = campaignKeys(context.prefix, id);
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

  get fence(): string {
    return String(this.#fence);
  }

  /** Whether it serves, as of the last read: the database of one that was just written has yet to be found empty. */
  get verified(): boolean {
    return this.#verified;
  }

  /** Whether it was being rebuilt, as of the last read. */
  get building(): boolean {
    return this.#building;
  }

  /** Which database it is bound to, as of the last read; `null`: none. */
  get store(): string | null {
    return this.#store;
  }

  get rules(): CampaignRules {
    if (!this.#rules) throw new Error('the campaign was not read yet');
    return this.#rules;
  }

  /**
   * The verbs of reservations that were made under this epoch. Those of the last one that was asked for are kept, so
   * that their calls share batches.
   */
  verbs(epoch: string): Verbs {
    if (this.#verbs?.epoch !== epoch) this.#verbs = new Verbs(this, epoch, this.context.verbs);
    return this.#verbs;
  }

  /** The rules that it was opened with, as of the last read: others where it was updated since. */
  get openedWith(): CampaignRules {
    return this.#openedWith ?? this.rules;
  }

  sawStamp(stamp: number): void {
    if (stamp > this.#fence) this.#fence = stamp;
  }

  /**
   * Sends a script. Before the first one on a connection that writes it asks for the rights of this Redis user: one
   * more round trip.
   */
  run<A extends string, E extends string>(
    script: Script<keyof CampaignKeys, A, E>,
    args: Readonly<Record<A, string>>,
    items?: readonly Readonly<Record<E, string>>[],
    timeoutMs = this.context.timeoutMs,
  ): Promise<Reply> {
    const { rights, runner } = this.context;
    const call = items ? { keys: this.keys, args, items } : { keys: this.keys, args };
    if (script.reads || rights.areThere) return runner.run(script, call, timeoutMs);
    const endsAt = monotonicMs() + timeoutMs;
    return rights
      .assert(this.keys, timeoutMs)
      .then(() => runner.run(script, call, Math.max(1, endsAt - monotonicMs())));
  }

  /**
   * Reads the campaign and follows its epoch, never to a lower generation and never to a state that is behind. One
   * round trip.
   */
  async refresh(): Promise<CampaignSnapshot | NotReadyReason> {
    // Other calls may see a later state meanwhile.
    const fence = this.#fence;
    const reply = await this.run(scripts.inspect, {});
    this.#readAtMs = Number(reply[1]);
    if (reply[0] === 'missing') return 'missing';
    const fields = fieldsOf(reply);
    const campaign = decodeCampaign(this.id, reply, fields);
    if (generationOf(campaign.epoch) < this.generation) return 'rolled_back';
    if (campaign.epoch === this.#epoch && Number(fields.get('stamp')) < fence) return 'rolled_back';
    if (campaign.epoch !== this.#epoch) this.#fence = 0;
    this.#epoch = campaign.epoch;
    this.sawStamp(Number(fields.get('stamp')));
    this.#leaseMs = campaign.leaseMs;
    this.#rules = rulesOf(campaign, fields);
    this.#openedWith = openedWith(this.#rules, fields.get('openedWith'));
    this.#mismatch = mismatchOf(this.id, campaign.needs, this.context.has);
    this.#store = campaign.store;
    this.#verified = fields.get('verified') === '1';
    this.#building = fields.has('building');
    return campaign;
  }

  /**
   * The same. Throws `CampaignOverError` and `UnknownCampaignError` where it has no state because it is over or was
   * never opened.
   */
  async read(): Promise<CampaignSnapshot | NotReadyReason> {
    const campaign = await this.refresh();
    if (campaign === 'missing') await this.context.assertLost(this, true);
    return campaign;
  }

  /** The same for calls that have no status for a state that is not ready. Throws `NotReadyError`. */
  async snapshot(): Promise<CampaignSnapshot> {
    const campaign = await this.read();
    if (typeof campaign === 'string') throw notReady(this.id, campaign);
    return campaign;
  }

  /**
   * Whether this process has the needs of the campaign, as of the last read, and nothing has to be asked before it
   * serves.
   */
  get isEquipped(): boolean {
    return !this.differs && (this.context.store?.known ?? true);
  }

  /** Whether this process has other hooks or another database than the campaign, as of the last read. */
  get differs(): boolean {
    return this.#mismatch !== null || this.hasOtherStore;
  }

  get hasOtherStore(): boolean {
    const { store } = this.context;
    return this.#store !== null && store?.known === true && store.identity !== this.#store;
  }

  /**
   * A process that lacks a hook would confirm coupons that were never saved or delivered. A process with more hooks
   * would save coupons that no process settles.
   */
  assertEquipped(): void {
    if (!this.#rules) throw new Error('the campaign was not read yet');
    if (this.#mismatch !== null) throw new MisconfiguredError(this.#mismatch);
    if (this.hasOtherStore) throw new MisconfiguredError(otherStore(this.id, this.#store, this.context.store));
  }
}

/** Saving there would give a second coupon to users of this database. */
function otherStore(id: string, bound: string | null, own: Store | null): string {
  return `campaign ${id} keeps its issuances in the database ${bound}, and this process has ${own?.description}: nothing was taken. Connect to that database, use another prefix, or bind the campaign to this one with open(definition, { store: 'rebind' })`;
}

/** The difference between the needs of the campaign and this process, or `null`. */
function mismatchOf(id: string, needs: readonly CampaignNeed[], has: readonly CampaignNeed[]): string | null {
  const list = (names: readonly CampaignNeed[]) =>
    names.length > 0 ? names.join(' and ') : 'neither persistence nor deliver';
  if (needs.length === has.length && needs.every((need) => has.includes(need))) return null;
  return `campaign ${id} was opened with ${list(needs)}, this issuer has ${list(has)}`;
}

/** Maps the refusals that concern a whole campaign to the error of a call that has no status for them. */
export function notReady(id: string, reason: NotReadyReason): NotReadyError {
  return new NotReadyError(`the state of campaign ${id} in Redis is ${reason}`, reason);
}

function fieldsOf(reply: Reply): Map<string, string> {
  const fields = new Map<string, string>();
  for (let i = 3; i < reply.length; i += 2) fields.set(String(reply[i]), String(reply[i + 1]));
  return fields;
}

function decodeCampaign(id: string, reply: Reply, fields: Map<string, string>): CampaignSnapshot {
  const count = (name: string) => Number(fields.get(name) ?? 0);
  const instant = (name: string) => (fields.has(name) ? new Date(count(name)) : null);
  const kind = fields.get('kind') as CampaignRules['kind'];
  const ceiling = kind === 'unlimited' ? null : count('total');
  const opensAt = instant('opensAt');
  const closesAt = instant('closesAt');
  const closedAt = instant('closedAt');
  const nowMs = Number(reply[1]);
  const room = decodeRoom(fields.get('room'));
  // Below 0: so many units have rows, and are still counted as free or reserved, from where the database will refuse
  // them.
  const withdrawn = count('withdrawn');
  const free = (units: number) => Math.max(0, units + Math.min(0, withdrawn));
  const state = (): State => {
    if (closedAt || (closesAt && nowMs >= closesAt.getTime())) return 'closed';
    if (fields.get('paused') === '1') return 'paused';
    return opensAt && nowMs < opensAt.getTime() ? 'scheduled' : 'open';
  };
  return {
    id,
    state: state(),
    ready: reply[2] === '1',
    stock: kind,
    generateCodes: fields.get('generate') === '1',
    total: ceiling === null ? null : ceiling - count('removed'),
    available:
      kind === 'codes'
        ? free(count('pool'))
        : ceiling === null
          ? null
          : free(ceiling - count('lastSerial') + count('returned')),
    reserved: count('reserved'),
    issued: count('issued'),
    withdrawn: Math.max(0, withdrawn),
    perUser: count('perUser'),
    opensAt,
    closesAt,
    closedAt,
    saveMode: fields.get('saveMode') === 'write-behind' ? 'write-behind' : 'write-through',
    admission: room ? 'queued' : 'immediate',
    room,
    waiting: count('waiting'),
    pace: decodePace((name) => fields.get(name)),
    drawSeed: fields.get('seed') ?? null,
    leaseMs: count('leaseMs'),
    needs: (fields.get('needs')?.split('+') ?? []) as CampaignNeed[],
    store: fields.get('store') ?? null,
    epoch: fields.get('epoch')!,
  };
}

/** The rules it was opened with: restocking changes the total, and must not look like another definition. */
function rulesOf(campaign: CampaignSnapshot, fields: Map<string, string>): CampaignRules {
  return {
    kind: campaign.stock,
    total: campaign.stock === 'counted' ? Number(fields.get('opened')) : null,
    generateCodes: campaign.generateCodes,
    perUser: campaign.perUser,
    opensAt: campaign.opensAt?.getTime() ?? null,
    closesAt: campaign.closesAt?.getTime() ?? null,
    saveMode: campaign.saveMode,
    admission: campaign.admission,
    room: campaign.room,
    needs: campaign.needs,
    pace: [],
  };
}

/** `update-campaign` keeps the rules that it replaces first, `<opensAt>:<closesAt>:<perUser>`. */
function openedWith(rules: CampaignRules, text: string | undefined): CampaignRules | null {
  if (text === undefined) return null;
  const [opensAt, closesAt, perUser] = text.split(':') as [string, string, string];
  const instant = (ms: string) => (ms === '' ? null : Number(ms));
  return { ...rules, opensAt: instant(opensAt), closesAt: instant(closesAt), perUser: Number(perUser) };
}

/** All rules of a waiting room are one field, which the scripts of campaigns without one need not look at. */
function encodeRoom({ maxWaiting, overbook, presenceMs, drawAtOpen }: RoomRules): string {
  return [maxWaiting, overbook, presenceMs ?? 0, drawAtOpen ? 1 : 0].join(':');
}

function decodeRoom(text: string | undefined): RoomRules | null {
  if (text === undefined) return null;
  const [maxWaiting, overbook, presenceMs, draw] = text.split(':').map(Number) as [number, number, number, number];
  return { maxWaiting, overbook, presenceMs: presenceMs || null, drawAtOpen: draw === 1 };
}

/** The rules as the campaign hash stores them, without the pace; an absent rule has no field. */
export function rulesToFields(
  rules: CampaignRules,
  leaseMs: number,
  store: string | null = null,
): { name: string; value: string }[] {
  const fields = [
    { name: 'kind', value: rules.kind },
    { name: 'perUser', value: String(rules.perUser) },
    { name: 'leaseMs', value: String(leaseMs) },
  ];
  const add = (name: string, value: string | number | null) => {
    if (value !== null && value !== '') fields.push({ name, value: String(value) });
  };
  add('total', rules.total);
  add('opened', rules.total);
  add('generate', rules.generateCodes ? '1' : null);
  add('opensAt', rules.opensAt);
  add('closesAt', rules.closesAt);
  add('saveMode', rules.saveMode === 'write-behind' ? rules.saveMode : null);
  add('room', rules.room && encodeRoom(rules.room));
  add('needs', [...rules.needs].sort().join('+'));
  add('store', store);
  return fields;
}
