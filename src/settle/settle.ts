import type { Steps } from '../issue/steps.js';
import { NotReadyError, UnknownCampaignError } from '../model/errors.js';
import type { Emit } from '../model/events.js';
import type { NotReadyReason } from '../model/result.js';
import { redacted } from '../model/safe-error.js';
import type { Campaigns } from '../redis/campaigns.js';
import { claimDue } from '../redis/claim.js';
import { CampaignOverError, registered, strikeOffIfOver } from '../redis/registry.js';
import { notReady } from '../redis/reply-words.js';
import type { Reservation } from '../redis/reservation.js';
import type { Serving } from '../redis/serving.js';
import type { RedisContext } from '../redis/shard.js';
import { SETTLE, type SettleMessage } from '../tracing/channels.js';
import { type Finished, type Finishing, finishAll } from './carry-batch.js';
import { type FindOptions, findSaved } from './find-saved.js';

export interface SettleResult {
  /** Finished reservations: the row is committed, or the user already had one. */
  readonly settled: number;
  /** Reservations that remain because their lease still runs, their outcome is unknown, or they are in quarantine. */
  readonly pending: number;
  /** Reservations that remain because the delivery or the save failed for certain. */
  readonly failed: number;
}

export interface SettleOptions extends FindOptions {
  readonly batchSize: number;
  /** Whether to keep to the pace of the campaign. */
  readonly paced: boolean;
  /** After so many refusals a reservation goes into quarantine. */
  readonly maxTries: number;
  /** Ends revocations that were announced and left. Never rejects. */
  readonly endAnnounced: (serving: Serving) => Promise<void>;
  /** Whether to claim nothing more. */
  readonly closing: () => boolean;
}

/** The result of one batch. */
export interface SettledBatch extends Finished {
  readonly claimed: readonly Reservation[];
  /** Ms until the cap allows the next claim; 0 without a cap. */
  readonly waitMs: number;
  /** The clock of Redis at the claim. */
  readonly nowMs: number;
}

/**
 * Finishes every reservation of a campaign that is due, and revocations that were left. It rolls forward and never releases: reserved means it will be
 * issued, unless the call that took it proved that nothing happened.
 */
export async function settle(serving: Serving, steps: Steps, options: SettleOptions): Promise<SettleResult> {
  let settled = 0;
  let failed = 0;
  const tried = new Set<string>();
  let startedMs = Number.POSITIVE_INFINITY;
  while (!options.closing()) {
    const batch = await settleBatch(serving, steps, options, settled > 0);
    settled += batch.settled;
    failed += batch.failed;
    // One pass tries each reservation once: with a database that hangs, leases run out again faster than they can be
    // settled.
    if (batch.claimed.length < options.batchSize) break;
    if (tried.size > 0 && batch.claimed.some(({ id }) => tried.has(id))) break;
    for (const { id } of batch.left) tried.add(id);
    // Reservations that came after its start are left for the next pass.
    startedMs = Math.min(startedMs, batch.nowMs);
    if (batch.claimed.every(({ issuance }) => issuance.issuedAt.getTime() > startedMs)) break;
  }
  const campaign = await serving.shard.refresh();
  const reserved = typeof campaign === 'string' ? 0 : campaign.reserved;
  return { settled, pending: Math.max(0, reserved - failed), failed };
}

/**
 * Claims one batch and carries each reservation to its end, or leaves it for later. `healthy`: the database worked
 * just now, so a failure is the fault of the reservation.
 */
export function settleBatch(
  serving: Serving,
  steps: Steps,
  options: SettleOptions,
  healthy: boolean,
): Promise<SettledBatch> {
  if (!SETTLE.isHeard) return settleDue(serving, steps, options, healthy, null);
  const message: SettleMessage = { campaignId: serving.campaign.id, size: 0, settled: 0, failed: 0 };
  return SETTLE.run(
    message,
    () => settleDue(serving, steps, options, healthy, message),
    ({ settled, failed }) => Object.assign(message, { settled, failed }),
  );
}

async function settleDue(
  serving: Serving,
  steps: Steps,
  options: SettleOptions,
  healthy: boolean,
  message: SettleMessage | null,
): Promise<SettledBatch> {
  const claim = await claimDue(serving, options.batchSize, options.paced);
  if (typeof claim === 'string') throw notReady(serving.campaign.id, claim);
  const { claimed, waitMs, revoking, nowMs } = claim;
  if (message) message.size = claimed.length;
  if (revoking > 0) await options.endAnnounced(serving);
  const saved = steps.deliveries ? await findSaved(claimed, steps, options) : null;
  const { timeoutMs, maxTries } = options;
  const finishing: Finishing = { timeoutMs, maxTries, saved, healthy, event: 'settled' };
  return { claimed, waitMs, nowMs, ...(await finishAll(serving, claimed, steps, finishing)) };
}

/**
 * Settles every campaign of the registry. One that fails does not stop the others; the first fault is thrown at the
 * end.
 */
export async function settleAll(
  context: RedisContext,
  campaigns: Campaigns,
  settleOf: (serving: Serving) => Promise<SettleResult>,
  emit: Emit,
): Promise<SettleResult> {
  const sum = { settled: 0, pending: 0, failed: 0 };
  let fault: unknown;
  for await (const id of registered(context)) {
    let serving: Serving | NotReadyReason = 'missing';
    try {
      serving = await campaigns.find(id);
      if (typeof serving === 'string') continue;
      const { settled, pending, failed } = await settleOf(serving);
      sum.settled += settled;
      sum.pending += pending;
      sum.failed += failed;
    } catch (error) {
      // It was purged since it was listed; or its keys expired, as they should, and only its entry is left.
      if (error instanceof UnknownCampaignError) continue;
      if (error instanceof CampaignOverError) {
        await strikeOffIfOver(context, id);
        continue;
      }
      if (error instanceof NotReadyError && typeof serving !== 'string' && (await emptiness(serving))) continue;
      fault ??= error;
      emit({ type: 'fault', during: 'settle', campaignId: id, error: redacted(error) });
    }
  }
  if (fault) throw fault;
  return sum;
}

/**
 * Why a campaign that nobody may act on has nothing to settle. `gone`: all its keys are, expired after the close; a
 * part of them is a fault. `opening`: it was written and did not serve yet, at this look or at the last one. One round
 * trip.
 */
export async function emptiness({ shard }: Serving): Promise<'gone' | 'opening' | null> {
  const wasOpening = !shard.verified && !shard.building;
  const found = await shard.refresh().catch(() => null);
  if (found === 'missing') return 'gone';
  if (found === null || typeof found === 'string') return null;
  return !shard.building && (wasOpening || !shard.verified) ? 'opening' : null;
}
