import { monotonicMs, withDeadline } from './deadline.js';
import { NotReadyError, redacted } from './errors.js';
import type { Emit } from './events.js';
import type { Issuance } from './issuance.js';
import { type Carried, carryThrough, refOf, type Steps } from './issue.js';
import type { PersistenceAdapter } from './persistence/adapter.js';
import { registered } from './redis/admin.js';
import { notReady, type RedisContext } from './redis/campaign-state.js';
import type { Campaigns } from './redis/campaigns.js';
import type { Reservation } from './redis/reservation.js';
import type { Serving } from './redis/serving.js';
import type { NotReadyReason } from './result.js';

export interface SettleResult {
  /** Reservations that came to their end: the row is committed, or the user already had one. */
  readonly settled: number;
  /** Reservations that remain because their lease still runs or because the outcome is unknown. */
  readonly pending: number;
  /** Reservations that remain because the delivery or the save failed for certain. */
  readonly failed: number;
}

export interface SettleOptions {
  readonly timeoutMs: number;
  readonly batchSize: number;
  readonly find: PersistenceAdapter['find'];
}

/**
 * Finishes every reservation of a campaign whose lease ran out. It rolls forward and never releases: reserved means it will be issued,
 * unless the one who took it proved that nothing happened.
 */
export async function settle(serving: Serving, steps: Steps, options: SettleOptions): Promise<SettleResult> {
  serving.state.assertEquipped();
  let settled = 0;
  let failed = 0;
  const tried = new Set<string>();
  for (;;) {
    const claimed = await serving.claimDue(options.batchSize);
    if (typeof claimed === 'string') throw notReady(serving.state.id, claimed);
    const saved = steps.deliveries ? await findSaved(claimed, steps, options) : claimed.map(() => false);
    const ends = await Promise.all(
      claimed.map((reservation, i) => settleOne(serving, reservation, steps, options, saved[i]!)),
    );
    settled += ends.filter((end) => end === 'settled').length;
    failed += ends.filter((end) => end === 'failed').length;
    // One pass tries each reservation once: with a database that hangs, leases run out again faster than they can be settled.
    if (claimed.length < options.batchSize || claimed.some(({ id }) => tried.has(id))) break;
    for (const { id } of claimed) tried.add(id);
  }
  const campaign = await serving.state.refresh();
  const reserved = typeof campaign === 'string' ? 0 : campaign.reserved;
  return { settled, pending: Math.max(0, reserved - failed), failed };
}

/** Settles every campaign of the registry. One that fails does not stop the others; the first fault is thrown at the end. */
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
      // All its keys are gone, expired after the close: there is nothing to settle. A part of them is a fault.
      if (error instanceof NotReadyError && typeof serving !== 'string' && (await isGone(serving))) continue;
      fault ??= error;
      emit({ type: 'fault', during: 'settle', campaignId: id, error: redacted(error) });
    }
  }
  if (fault) throw fault;
  return sum;
}

async function isGone({ state }: Serving): Promise<boolean> {
  return (await state.refresh().catch(() => null)) === 'missing';
}

async function settleOne(
  serving: Serving,
  reservation: Reservation,
  steps: Steps,
  options: SettleOptions,
  alreadySaved: boolean,
): Promise<'settled' | 'failed' | 'pending'> {
  try {
    const attempt = { deadlineAt: monotonicMs() + options.timeoutMs, reserved: null, promised: true };
    const carried = await carryThrough(serving, reservation, attempt, steps, alreadySaved);
    if (carried.outcome === 'issued') await carried.finished();
    return endOf(carried, reservation.issuance, steps);
  } catch (error) {
    steps.emit({ type: 'fault', during: 'settle', campaignId: serving.state.id, error: redacted(error) });
    return 'pending';
  }
}

function endOf(carried: Carried, issuance: Issuance, steps: Steps): 'settled' | 'failed' | 'pending' {
  switch (carried.outcome) {
    case 'issued':
      steps.emit({ type: 'settled', ...refOf(carried.issuance) });
      return 'settled';
    case 'accepted':
      return carried.failed ? 'failed' : 'pending';
    case 'forgotten':
    case 'released':
    case 'sold_out':
    case 'rolled_back':
      steps.emit({ type: 'settled', ...refOf(issuance) });
      return 'settled';
  }
}

/** Which reservations the database already has, so that nothing is delivered a second time. Where it cannot say, they are delivered again. */
async function findSaved(claimed: Reservation[], steps: Steps, options: SettleOptions): Promise<boolean[]> {
  const { find, timeoutMs } = options;
  const none = claimed.map(() => false);
  if (!find || claimed.length === 0) return none;
  try {
    const finding = (async () => find(claimed.map(({ issuance }) => issuance)))();
    const rows = await withDeadline(finding, timeoutMs, () => new Error('find did not answer in time'));
    return claimed.map(({ issuance }, i) => {
      const row = rows[i];
      return row?.id === issuance.id && row.serial === issuance.serial && row.code === issuance.code;
    });
  } catch (error) {
    const { campaignId } = claimed[0]!.issuance;
    const codes = claimed.map(({ issuance }) => issuance.code);
    steps.emit({ type: 'fault', during: 'find', campaignId, error: redacted(error, codes) });
    return none;
  }
}
