import { monotonicMs } from '../flow/deadline.js';
import { UnknownCampaignError } from '../model/errors.js';
import type { NotReadyReason } from '../model/result.js';
import { CampaignState, notReady, type RedisContext } from './campaign-state.js';
import { assertLost, CampaignOverError } from './registry.js';
import type { ScriptRunner } from './runner.js';
import { Serving, type ServingOptions } from './serving.js';

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
  readonly #context: RedisContext;
  readonly #options: ServingOptions;
  readonly #known = new Map<string, Serving>();
  readonly #absences = new Map<string, { readonly lost: Promise<void>; readonly until: number }>();
  readonly #rereading = new Map<string, Promise<NotReadyReason | null>>();
  readonly #reading = new Map<string, Promise<Serving | NotReadyReason>>();

  constructor(context: RedisContext, options: ServingOptions) {
    this.#context = context;
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
    const { state } = serving;
    if (state.isEquipped) return null;
    const { store } = this.#context;
    await store?.ask(patience);
    if (!state.differs) return null;
    const reason = await this.reread(serving);
    if (!reason && state.hasOtherStore) await store?.askAgain();
    if (!reason) state.assertEquipped();
    return reason;
  }

  /** The same for calls that have no status for a state that is not ready. */
  async assertEquipped(serving: Serving): Promise<void> {
    const reason = await this.equip(serving);
    if (reason) throw notReady(serving.state.id, reason);
  }

  /** Reads a campaign again, once for all calls of that moment. One round trip. */
  reread({ state }: Serving): Promise<NotReadyReason | null> {
    const rereading =
      this.#rereading.get(state.id) ??
      state
        .read()
        .then((campaign) => (typeof campaign === 'string' ? campaign : null))
        .finally(() => this.#rereading.delete(state.id));
    this.#rereading.set(state.id, rereading);
    return rereading;
  }

  /** A state to open a campaign with; `keep` it once it is known to serve. */
  state(id: string): CampaignState {
    // A process that opens or rebuilds it must not find it absent meanwhile.
    this.#absences.delete(id);
    return this.#known.get(id)?.state ?? new CampaignState(this.#context, id);
  }

  keep(state: CampaignState): void {
    this.#absences.delete(state.id);
    if (!this.#known.has(state.id)) this.#known.set(state.id, new Serving(state, this.#options));
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
  assertLost(state: CampaignState, isMissing = false): Promise<void> {
    const { id } = state;
    const known = this.#absences.get(id);
    if (known && monotonicMs() < known.until) return known.lost;
    const lost = this.#lookForAbsent(state, isMissing);
    this.#absences.delete(id);
    this.#absences.set(id, { lost, until: monotonicMs() + ABSENCE_MS });
    if (this.#absences.size > MOST_ABSENT) this.#absences.delete(this.#absences.keys().next().value!);
    return lost;
  }

  async #lookForAbsent(state: CampaignState, isMissing: boolean): Promise<void> {
    // Read apart: the state of the refused call stays as it was.
    const now = new CampaignState(this.#context, state.id);
    if (!isMissing && (await now.refresh()) !== 'missing') return;
    try {
      await assertLost(this.#context, state.id, state.generation > 0);
    } catch (error) {
      if (error instanceof CampaignOverError) this.forget(state.id);
      else if (!(error instanceof UnknownCampaignError)) this.#absences.delete(state.id);
      throw error;
    }
  }

  /**
   * The first call for a campaign also looks after the one that was not looked after for longest, so that campaigns
   * purged by other processes are forgotten.
   */
  async #read(id: string): Promise<Serving | NotReadyReason> {
    const state = new CampaignState(this.#context, id);
    const [campaign] = await Promise.all([state.read(), this.#lookAfterOldest()]);
    if (typeof campaign === 'string') return campaign;
    this.keep(state);
    return this.#known.get(id)!;
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
