import {
  type CampaignDefinition,
  type CampaignNeed,
  type CampaignRules,
  type CampaignSnapshot,
  toRules,
} from '../model/campaign-rules.js';
import { MisconfiguredError } from '../model/errors.js';
import type { ReadFields } from './campaign-fields.js';
import { notReady } from './reply-words.js';
import { type RedisContext, Shard } from './shard.js';

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

/** The hooks and the database of this process. A campaign that needs others is not touched. */
export interface Equipment {
  readonly has: readonly CampaignNeed[];
  /** Whether its adapter has `look` and `change`, which coupons with an end need. */
  readonly changes: boolean;
  /** A campaign has to be bound to this database. `null`: none. */
  readonly store: Store | null;
}

/**
 * A campaign as this process knows it: its rules and its needs, as of the last read. Its state in Redis is the shard's.
 */
export class KnownCampaign {
  readonly id: string;
  readonly shard: Shard;
  readonly equipment: Equipment;
  #rules: CampaignRules | null = null;
  #openedWith: CampaignRules | null = null;
  /** Looked at by every call, so it is found out once. */
  #mismatch: string | null = null;
  #store: string | null = null;

  constructor(context: RedisContext, equipment: Equipment, id: string) {
    this.id = id;
    this.equipment = equipment;
    this.shard = new Shard(context, id, (fields) => this.#follow(fields));
  }

  get rules(): CampaignRules {
    if (!this.#rules) throw new Error('the campaign was not read yet');
    return this.#rules;
  }

  /** The rules that it was opened with: others where it was updated since. */
  get openedWith(): CampaignRules {
    return this.#openedWith ?? this.rules;
  }

  /** Which database it is bound to; `null`: none. */
  get store(): string | null {
    return this.#store;
  }

  /** Reads the campaign. Throws `NotReadyError`, `CampaignOverError`, `UnknownCampaignError`. One round trip. */
  async inspect(): Promise<CampaignSnapshot> {
    const snapshot = await this.shard.read();
    if (typeof snapshot === 'string') throw notReady(this.id, snapshot);
    return snapshot;
  }

  /** Whether this process has the needs of the campaign, and nothing has to be asked before it serves. */
  get isEquipped(): boolean {
    return !this.differs && (this.equipment.store?.known ?? true);
  }

  /** Whether this process has other hooks or another database than the campaign. */
  get differs(): boolean {
    return this.#mismatch !== null || this.hasOtherStore;
  }

  get hasOtherStore(): boolean {
    const { store } = this.equipment;
    return this.#store !== null && store?.known === true && store.identity !== this.#store;
  }

  /**
   * A process that lacks a hook would confirm coupons that were never saved or delivered. A process with more hooks
   * would save coupons that no process settles. Returns the rules to act by, or throws `MisconfiguredError`.
   */
  equippedRules(): CampaignRules {
    if (!this.#rules) throw new Error('the campaign was not read yet');
    if (this.#mismatch !== null) throw new MisconfiguredError(this.#mismatch);
    this.assertOwnStore();
    return this.#rules;
  }

  /** Throws `MisconfiguredError`. */
  assertOwnStore(): void {
    if (this.hasOtherStore) throw new MisconfiguredError(otherStore(this.id, this.#store, this.equipment.store));
  }

  #follow({ rules, openedWith, snapshot }: ReadFields): void {
    this.#rules = rules;
    this.#openedWith = openedWith;
    this.#mismatch = mismatchOf(this.id, rules.needs, this.equipment.has) ?? lackOf(this.id, rules, this.equipment);
    this.#store = snapshot.store;
  }
}

/** The rules of a definition, for a process that can keep them. Throws `InvalidArgumentError`, `MisconfiguredError`. */
export function keptRules(
  id: string,
  definition: CampaignDefinition,
  call: 'open' | 'rebuild',
  equipment: Equipment,
): CampaignRules {
  const rules = toRules(definition, equipment.has, call);
  const lack = lackOf(id, rules, equipment);
  if (lack !== null) throw new MisconfiguredError(lack);
  return rules;
}

/** The end of a coupon is in its row, and only the calls about rows look at it. */
function lackOf(id: string, { validity }: CampaignRules, { changes }: Equipment): string | null {
  if (validity === null || changes) return null;
  return `campaign ${id} has a validity, so this process needs persistence whose adapter has look and change; nothing was taken and nothing was written`;
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
