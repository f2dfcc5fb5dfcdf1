import { monotonicMs } from '../flow/deadline.js';
import { UnknownCampaignError } from '../model/errors.js';
import type { NotReadyReason } from '../model/result.js';
import { type Equipment, KnownCampaign } from './known-campaign.js';
import { assertLost, CampaignOverError } from './registry.js';
import { notReady } from './reply-words.js';
import type { ScriptRunner } from './runner.js';
import { Serving, type ServingOptions } from './serving.js';
import { type RedisContext, Shard } from './shard.js';

/**
 * For how long it is remembered that a campaign has no state, and of how many: a made-up id must not cost two round
 * trips each time.
 */
const ABSENCE_MS = 1_000;
const MOST_ABSENT = 1_000;

/** How long a call waits for a database that is away: as long as it must, or not long, because it needs Redis alone. */
export type Patience = 'patient' | 'brief';

/** The campaigns that this process knows. The first call for one reads it, one round trip; later calls cost none. */
export class Campaigns {
  readonly equipment: Equipment;
  readonly #context: RedisContext;
  readonly #options: ServingOptions;
  readonly #known = new Map<string, Serving>();
  readonly #absences = new Map<string, { readonly lost: Promise<void>; readonly until: number }>();
  readonly #rereading = new Map<string, Promise<NotReadyReason | null>>();
  readonly #reading = new Map<string, Promise<Serving | NotReadyReason>>();

  constructor(context: RedisContext, equipment: Equipment, options: ServingOptions) {
    this.#context = context;
    this.equipment = equipment;
    this.#options = options;
  }

  /** Knows why a call ran out of time. */
  get late(): ScriptRunner {
    return this.#context.runner;
  }

  /**
   * The campaign, or why its state must not be acted on. Throws `UnknownCampaignError` where nobody ever opened it,
   * `CampaignOverError`.
   */
  find(id: string): Serving | Promise<Serving | NotReadyReason> {
    const known = this.#known.get(id);
    if (known) return known;
    const reading = this.#reading.get(id) ?? this.#read(id).finally(() => this.#reading.delete(id));
    this.#reading.set(id, reading);
    return reading;
  }

  /** The campaign, if this process has met it. No round trip. */
  known(id: string): Serving | null {
    return this.#known.get(id) ?? null;
  }

  /** The same for calls that have no status for a state that is not ready. */
  async get(id: string): Promise<Serving> {
    const found = await this.find(id);
    if (typeof found === 'string') throw notReady(id, found);
    return found;
  }

  /** The same for a process that acts on its units. Throws `MisconfiguredError`. */
  async equipped(id: string, patienceOf?: (serving: Serving) => Patience): Promise<Serving | NotReadyReason> {
    const found = await this.find(id);
    return typeof found === 'string' ? found : ((await this.equip(found, patienceOf?.(found))) ?? found);
  }

  /**
   * Checks the needs of the campaign; returns why its state must not be acted on, or `null`. The memory of this process
   * is no reason to refuse: the campaign may have been made anew, so it is read again first. Before that the database
   * is asked, once, whether it is fit and which one it is. Throws `MisconfiguredError`, and `HookError` if the database
   * could not be asked.
   */
  async equip(serving: Serving, patience: Patience = 'patient'): Promise<NotReadyReason | null> {
    const { campaign } = serving;
    if (campaign.isEquipped) return null;
    const { store } = this.equipment;
    await store?.ask(patience);
    if (!campaign.differs) return null;
    const reason = await this.reread(serving);
    if (!reason && campaign.hasOtherStore) await store?.askAgain();
    if (!reason) campaign.equippedRules();
    return reason;
  }

  /** The same for calls that have no status for a state that is not ready. */
  async assertEquipped(serving: Serving): Promise<void> {
    const reason = await this.equip(serving);
    if (reason) throw notReady(serving.campaign.id, reason);
  }

  /**
   * The same for a process that tells Redis about rows, and needs no hook for it. Another database has other rows. Throws
   * `MisconfiguredError`, `HookError`, `NotReadyError`.
   */
  async assertOwnStore(serving: Serving): Promise<void> {
    const { campaign } = serving;
    const { store } = this.equipment;
    await store?.ask();
    if (!campaign.hasOtherStore) return;
    const reason = await this.reread(serving);
    if (reason) throw notReady(campaign.id, reason);
    if (campaign.hasOtherStore) await store?.askAgain();
    campaign.assertOwnStore();
  }

  /** Reads a campaign again, once for all calls of that moment. One round trip. */
  reread({ campaign: { id, shard } }: Serving): Promise<NotReadyReason | null> {
    const rereading =
      this.#rereading.get(id) ??
      shard
        .read()
        .then((snapshot) => (typeof snapshot === 'string' ? snapshot : null))
        .finally(() => this.#rereading.delete(id));
    this.#rereading.set(id, rereading);
    return rereading;
  }

  /**
   * A campaign that may not serve yet: to open it, to rebuild it, to purge it. `keep` it once it is known to serve. No
   * round trip.
   */
  campaign(id: string): KnownCampaign {
    // A process that opens or rebuilds it must not find it absent meanwhile.
    this.#absences.delete(id);
    return this.#known.get(id)?.campaign ?? this.#unread(id);
  }

  keep(campaign: KnownCampaign): void {
    this.#absences.delete(campaign.id);
    if (!this.#known.has(campaign.id)) this.#known.set(campaign.id, new Serving(campaign, this.#options));
  }

  /** The campaigns that this process serves. */
  get ids(): Iterable<string> {
    return this.#known.keys();
  }

  /** Its keys are gone for good: the next call for it reads anew. */
  forget(id: string): void {
    this.#known.delete(id);
  }

  /**
   * Throws the finding of the last second about a campaign without state: calls for a made-up id must not cost round
   * trips each time. No round trip.
   */
  async assertNotAbsent(id: string): Promise<void> {
    const absent = this.#known.has(id) ? undefined : this.#absences.get(id);
    if (absent && monotonicMs() < absent.until) await absent.lost;
  }

  /**
   * Why a campaign has no state (`isMissing`: it was just seen to have none), once a second for all callers. Resolves
   * where it was lost, or where a part of it is left.
   */
  assertLost(shard: Shard, isMissing = false): Promise<void> {
    const { campaignId: id } = shard;
    const known = this.#absences.get(id);
    if (known && monotonicMs() < known.until) return known.lost;
    const lost = this.#lookForAbsent(shard, isMissing);
    this.#absences.delete(id);
    this.#absences.set(id, { lost, until: monotonicMs() + ABSENCE_MS });
    if (this.#absences.size > MOST_ABSENT) this.#absences.delete(this.#absences.keys().next().value!);
    return lost;
  }

  async #lookForAbsent(shard: Shard, isMissing: boolean): Promise<void> {
    const { campaignId: id, generation } = shard;
    // Read apart: the shard of the refused call stays as it was.
    const now = new Shard(this.#context, id);
    if (!isMissing && (await now.refresh()) !== 'missing') return;
    try {
      await assertLost(this.#context, id, generation > 0);
    } catch (error) {
      if (error instanceof CampaignOverError) this.forget(id);
      else if (!(error instanceof UnknownCampaignError)) this.#absences.delete(id);
      throw error;
    }
  }

  /**
   * The first call for a campaign also looks after the one that was not looked after for longest, so that campaigns
   * purged by other processes are forgotten.
   */
  async #read(id: string): Promise<Serving | NotReadyReason> {
    const campaign = this.#unread(id);
    const [snapshot] = await Promise.all([campaign.shard.read(), this.#lookAfterOldest()]);
    if (typeof snapshot === 'string') return snapshot;
    this.keep(campaign);
    return this.#known.get(id)!;
  }

  #unread(id: string): KnownCampaign {
    return new KnownCampaign(this.#context, this.equipment, id);
  }

  async #lookAfterOldest(): Promise<void> {
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) await this.lookAfter(oldest);
  }

  /** Forgets a campaign that is over by now. Any other trouble shows in the calls for it. Up to two round trips. */
  async lookAfter(id: string): Promise<void> {
    const known = this.#known.get(id);
    if (!known) return;
    this.#known.delete(id);
    this.#known.set(id, known);
    await this.reread(known).catch(() => {});
  }
}
