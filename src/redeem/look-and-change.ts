import { monotonicMs, withDeadline } from '../flow/deadline.js';
import { isNotSaved } from '../model/errors.js';
import { isErrorNamed } from '../model/foreign.js';
import type { CouponRows } from '../persistence/adapter.js';
import { REDEEM, type RedeemMessage } from '../tracing/channels.js';
import { ownChangeVerdicts, ownLooked } from './adapter-answers.js';
import { type ChangeOutcome, type ChangeRequest, OwnFault, type Revoking, Turn } from './turn.js';

/** Announces coupons in Redis; for each why it must not be revoked now, or `null`. Never rejects. */
export type Announce = (coupons: readonly Revoking[]) => Promise<readonly (Error | null)[]>;

/**
 * One call in a transaction of the caller, on its connection: no batch, no turn behind other calls. Throws the errors of
 * the adapter about the client that it was given.
 */
export async function changeWithin(begin: () => Promise<CouponRows>, request: ChangeRequest): Promise<ChangeOutcome> {
  const ignore = () => {};
  const turn = new Turn(request, ignore, ignore, true);
  try {
    await changeAll(await inTime('within', [turn], begin), [turn], async () => []);
  } catch (error) {
    if (['InvalidArgumentError', 'MisconfiguredError'].some((name) => isErrorNamed(error, name))) throw error;
    turn.fail(error);
  }
  return turn.outcome!;
}

/** Looks, decides and changes until each call has its answer, or must go alone. Never rejects. */
export function changeAll(adapter: CouponRows, turns: Turn[], announce: Announce): Promise<Turn[]> {
  if (!REDEEM.isHeard) return lookAndChange(adapter, turns, announce);
  const message: RedeemMessage = { size: turns.length };
  return REDEEM.run(
    message,
    () => lookAndChange(adapter, turns, announce),
    () => {},
  );
}

async function lookAndChange(adapter: CouponRows, turns: Turn[], announce: Announce): Promise<Turn[]> {
  for (const turn of turns) turn.begin();
  const isOpen = ({ outcome, held }: Turn) => !outcome && !held;
  for (let open = turns.filter(isOpen); open.length > 0; open = open.filter(isOpen)) {
    const unseen = open.filter(({ next }) => !next);
    if (unseen.length > 0) await lookAt(adapter, unseen);
    await announceAll(announce, open.filter(isChanging));
    const changing = open.filter(isChanging);
    if (changing.length > 0) await changeOnce(adapter, changing);
  }
  return turns;
}

function isChanging({ next, outcome }: Turn): boolean {
  return next !== null && !outcome;
}

/** After the look, and anew for each version: a change in flight has an announcement that no worker has dropped. */
async function announceAll(announce: Announce, turns: readonly Turn[]): Promise<void> {
  const revokes = turns.filter(({ revoking }) => revoking);
  if (revokes.length === 0) return;
  const sentAt = monotonicMs();
  const errors = await announce(revokes.map(({ revoking }) => revoking!));
  for (const [i, turn] of revokes.entries()) turn.announced(errors[i]!, monotonicMs() - sentAt);
}

async function lookAt(adapter: CouponRows, turns: readonly Turn[]): Promise<void> {
  const refs = turns.map(({ request }) => request.ref);
  try {
    const rows = ownLooked(await inTime('look', turns, (signal) => adapter.look([...refs], { signal })), refs);
    for (const [i, turn] of turns.entries()) turn.found(rows[i]!);
  } catch (error) {
    for (const turn of turns) turn.fail(error);
  }
}

async function changeOnce(adapter: CouponRows, turns: readonly Turn[]): Promise<void> {
  const changes = turns.map(({ request, next }) => ({ ref: request.ref, ...next!.change }));
  try {
    const given = await inTime('change', turns, (signal) => adapter.change([...changes], { signal }));
    const verdicts = ownChangeVerdicts(given, changes);
    for (const [i, turn] of turns.entries()) turn.answered(verdicts[i]!);
  } catch (error) {
    if (!isNotSaved(error)) {
      for (const turn of turns) turn.lost(error);
    } else if (error.wholeBatch || turns.length === 1) {
      for (const turn of turns) turn.fail(error);
    } else {
      // One change that the database refuses does not take its neighbours along.
      const middle = turns.length >> 1;
      await changeOnce(adapter, turns.slice(0, middle));
      await changeOnce(adapter, turns.slice(middle));
    }
  }
}

function inTime<T>(name: string, turns: readonly Turn[], ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const deadlineAt = Math.max(...turns.map((turn) => turn.deadlineAt));
  const late = () => {
    const error = new OwnFault(`${name} did not answer in time`);
    abort.abort(error);
    return error;
  };
  return withDeadline((async () => ask(abort.signal))(), deadlineAt - monotonicMs(), late);
}
