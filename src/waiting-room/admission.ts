import type { Steps } from '../issue/steps.js';
import { drawKey, drawSeed } from '../model/draw.js';
import { refOf } from '../model/events.js';
import type { Line } from '../redis/line.js';
import type { AdmissionRefusal, Admitted } from '../redis/line-replies.js';
import { notReady } from '../redis/reply-words.js';
import type { Reservation } from '../redis/reservation.js';
import type { LaterStep, Serving } from '../redis/serving.js';
import { finishAll } from '../settle/carry-batch.js';
import { ADMIT, type AdmitMessage } from '../tracing/channels.js';

/** The answer of `admit()`. */
export type AdmitResult =
  | {
      readonly status: 'admitted';
      /** Users that left the line with a coupon reserved for them. */
      readonly admitted: number;
      /** Of them, users whose row is committed. Settle finishes the others. */
      readonly issued: number;
      /** Users that are still in line. */
      readonly waiting: number;
    }
  /** Nobody was admitted. The line of a closed campaign is ended. */
  | { readonly status: 'closed' | 'paused' | 'not_open' };

export interface AdmissionParts {
  readonly steps: Steps;
  readonly timeoutMs: number;
  readonly maxTries: number;
  /** The steps after reserve. */
  readonly following: readonly LaterStep[];
  /** Tells watchers that something moved. */
  readonly moved: (line: Line) => void;
}

/** The admitted users of one batch. */
export interface AdmittedBatch {
  readonly status: 'admitted' | 'closed' | 'paused' | 'not_open';
  readonly admitted: number;
  readonly issued: number;
  /** Of these, so many in Redis by the admission itself: there is nothing to save or deliver. */
  readonly issuedAtOnce: number;
  readonly waiting: number;
  /** So many left the line, with a coupon or without. */
  readonly gone: number;
  /** Ms until the cap admits the next user; 0 without a cap. */
  readonly waitMs: number;
}

const CHUNK = 500;
const NOBODY = { admitted: 0, issued: 0, issuedAtOnce: 0, waiting: 0, gone: 0, waitMs: 0 };

/**
 * Admits one batch and carries it to its end. The script takes the first users of the line and reserves for them in
 * one step. Deliver, save and confirm follow as in `issue()`. The reservations are promised: if this process dies,
 * settle finishes them.
 */
export function admitBatch(
  serving: Serving,
  line: Line,
  parts: AdmissionParts,
  batch: AdmissionSize,
): Promise<AdmittedBatch> {
  if (!ADMIT.isHeard) return admitFirst(serving, line, parts, batch, null);
  const message: AdmitMessage = { campaignId: serving.campaign.id, size: 0, issued: 0 };
  return ADMIT.run(
    message,
    () => admitFirst(serving, line, parts, batch, message),
    () => {},
  );
}

interface AdmissionSize {
  readonly size: number;
  readonly paced: boolean;
  readonly healthy: boolean;
}

async function admitFirst(
  serving: Serving,
  line: Line,
  parts: AdmissionParts,
  { size, paced, healthy }: AdmissionSize,
  message: AdmitMessage | null,
): Promise<AdmittedBatch> {
  for (const step of parts.following) await step.capacity(serving.campaign.id);
  let answer = await line.admit(size, paced);
  if (answer === 'draw') {
    await draw(line, parts);
    answer = await line.admit(size, paced);
  }
  if (answer === 'closed') await tendLine(line, parts);
  if (typeof answer === 'string') return { status: statusOf(line.campaign.id, answer), ...NOBODY };
  const { reservations, waiting, gone, waitMs } = answer;
  const open = reservations.filter(({ issuance }) => issuance.state === 'reserved');
  const issuedAtOnce = reservations.length - open.length;
  // At once: they are admitted, even if a later step fails.
  if (message) Object.assign(message, { size: reservations.length, issued: issuedAtOnce });
  if (answer.absent > 0) {
    parts.steps.emit({ type: 'places_ended', campaignId: line.campaign.id, reason: 'absent', count: answer.absent });
  }
  if (gone > 0) parts.moved(line);
  const issued = issuedAtOnce + (await finish(serving, answer, open, parts, healthy));
  if (issued > 0) parts.moved(line);
  if (answer.over) await tendLine(line, parts);
  return { status: 'admitted', admitted: reservations.length, issued, issuedAtOnce, waiting, gone, waitMs };
}

/**
 * Ends the places of absent users, or the line if there is nothing to wait for. Returns the number of users in line.
 * One round trip per 500.
 */
export async function tendLine(line: Line, { steps, moved }: AdmissionParts): Promise<{ waiting: number }> {
  const campaignId = line.campaign.id;
  for (;;) {
    const { why, gone, waiting } = await line.tend(CHUNK);
    if (gone > 0 && why !== 'paused') {
      steps.emit({ type: 'places_ended', campaignId, reason: why, count: gone });
      moved(line);
    }
    if (gone < CHUNK) return { waiting };
  }
}

/**
 * Puts the users that joined before the opening in order. Any number of processes may at once; each stretch two round
 * trips.
 */
async function draw(line: Line, { steps, moved }: AdmissionParts): Promise<void> {
  let { word, seed, drawn, users } = await line.draw(drawSeed(), CHUNK, []);
  while (word === 'more') {
    const keys = users.map((userId) => ({ userId, key: String(drawKey(seed, userId)) }));
    ({ word, seed, drawn, users } = await line.draw(seed, CHUNK, keys));
  }
  if (word !== 'done') return;
  steps.emit({ type: 'drawn', campaignId: line.campaign.id, seed, count: drawn });
  moved(line);
}

function statusOf(campaignId: string, refusal: AdmissionRefusal): 'closed' | 'paused' | 'not_open' {
  switch (refusal) {
    case 'closed':
    case 'paused':
    case 'not_open':
      return refusal;
    // The clock of Redis was set back over the opening meanwhile.
    case 'draw':
      return 'not_open';
    default:
      throw notReady(campaignId, refusal);
  }
}

/** Finishes the admitted users. Returns how many of those that were open are issued. */
async function finish(
  serving: Serving,
  admitted: Admitted,
  open: readonly Reservation[],
  { steps, timeoutMs, maxTries }: AdmissionParts,
  healthy: boolean,
): Promise<number> {
  const campaignId = serving.campaign.id;
  for (const { issuance } of admitted.reservations) {
    if (issuance.state === 'issued') steps.emit({ type: 'issued', ...refOf(issuance) });
  }
  if (admitted.exhausted) steps.emit({ type: 'exhausted', campaignId });
  if (open.length === 0) return 0;
  return (await finishAll(serving, open, steps, { timeoutMs, maxTries, saved: null, healthy, event: 'issued' }))
    .settled;
}
