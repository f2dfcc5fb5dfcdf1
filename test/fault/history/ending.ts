import { until } from '../../support/checks/until.js';
import { audit, isLeft } from './audit.js';
import { isOver } from './belief.js';
import { fail } from './fail.js';
import type { History, Process } from './history.js';
import { rebuild } from './rebuilding.js';
import { isCounted } from './setting.js';
import { letLeasesRunOut } from './settlers.js';

/** All faults heal: what was promised is kept, and everything that nobody has can be given out. */
export async function end(history: History): Promise<void> {
  history.told.log.push('— all faults heal');
  await heal(history);
  if (history.epochs.size === 0) return;
  const process = history.processes[0]!;
  if (history.trust === 'behind' || !history.belief.serving) await makeAgain(history, process);
  await settleAll(history, process);
  await endRevocations(history, process);
  await giveOutTheRest(history, process);
}

async function heal(history: History): Promise<void> {
  const { database, partner, traffic, processes } = history;
  traffic.fates.splice(0);
  database.moods = [];
  database.changeMoods = [];
  database.poison = null;
  partner.moods = [];
  while (traffic.held.length > 0) {
    for (const { goOn } of traffic.held.splice(0)) goOn('done');
    await traffic.quiet();
  }
  while (database.landing.length > 0) await database.land(0);
  for (const index of processes.keys()) history.crash(index);
  await audit(history);
}

async function makeAgain(history: History, process: Process): Promise<void> {
  const there = () => history.belief.serving && history.trust === 'whole';
  for (let run = 0; run < 3 && !there(); run++) await again(history, process);
  if (!there()) throw new Error('no rebuild brought it back');
}

async function again(history: History, process: Process): Promise<void> {
  await rebuild(history, process);
  await history.traffic.quiet();
  await audit(history);
}

/** One pass after the last lease ran out leaves nothing reserved but what is in quarantine. */
async function settleAll(history: History, { issuer }: Process): Promise<void> {
  if (history.belief.paused) {
    if (!history.belief.closed) await issuer.campaign(history.id).resume();
    history.belief.paused = history.belief.closed && history.belief.paused;
  }
  if (isOver(history.belief) && !history.belief.closed) await openAgain(history, issuer);
  await letLeasesRunOut(history);
  await issuer.campaign(history.id).settle();
  const { quarantined, reserved } = await history.books();
  if (reserved.length !== quarantined) throw new Error(`one pass left ${reserved.length} reserved`);
  await issuer.campaign(history.id).quarantine.retry({ all: true });
  await issuer.campaign(history.id).settle();
  const left = (await history.books()).reserved.length;
  if (left > 0) throw new Error(`${left} reservations came to no end`);
  await audit(history);
}

/** L7: one round of a worker takes every unit back; after a loss, and where a revoke went on without Redis, a comparison does. */
async function endRevocations(history: History, { issuer }: Process): Promise<void> {
  await letLeasesRunOut(history);
  const worker = issuer.startWorker({ campaigns: [history.id], intervalMs: 3_600_000 });
  const { calls } = history.traffic;
  const before = calls.length;
  await until(() => calls.length > before);
  await history.traffic.quiet();
  await worker.stop();
  if (history.lost || history.deeds.anyPending) await issuer.campaign(history.id).reconcile({ repair: 'safe' });
  await audit(history);
  const { books, rows } = history.before;
  const left = rows.filter((row) => row.life?.state === 'revoked' && isLeft(books, row));
  fail(left.map(({ id }) => `L7: ${id} is revoked, and Redis does not know`));
  const returned = rows.filter(({ life }) => life?.unitReturned).length;
  const isRight = !isCounted(history.setting) || books.count('replaced') === returned;
  fail(isRight ? [] : [`L7: ${books.count('replaced')} units came back for ${returned} rows`]);
}

/** It was closed by time. */
async function openAgain({ belief, id }: History, issuer: Process['issuer']): Promise<void> {
  await issuer.campaign(id).update({ closesAt: null, requestId: 'open again' });
  belief.rules = { ...belief.rules, closesAt: null };
  belief.updates = new Map(belief.updates).set('open again', 'closesAt=');
}

async function giveOutTheRest(history: History, process: Process): Promise<void> {
  const { setting, belief } = history;
  const { available } = history.before.books;
  if (!belief.closed) {
    const more = setting.stock === 'unlimited' ? 2 : available + 2;
    const answers = Array.from({ length: more }, (_, i) =>
      history.ask(process, { userId: `late-${i}`, requestId: 'late' }),
    );
    await history.traffic.quiet();
    await process.issuer.campaign(history.id).settle();
    await audit(history);
    const served = answers.filter(({ attempt }) => attempt.words.has('issued') || attempt.words.has('accepted')).length;
    if (setting.stock !== 'unlimited' && served !== available)
      throw new Error(`${served} of ${available} units came out`);
  }
  const { books, rows } = history.before;
  if (setting.stock === 'unlimited') return;
  const units = setting.stock === 'codes' ? books.count('total') : belief.total;
  const left = belief.closed ? books.available : 0;
  // The unit of a row whose grant was freed counts as withdrawn.
  const out = rows.filter(({ grant }) => grant > 0).length + left + books.count('withdrawn');
  const all = units + books.count('replaced');
  fail(out === all ? [] : [`${out} of ${all} units came out or are left`]);
}
