import type { Issuance } from '../../../src/index.js';
import { checkInvariants, checkRows, checkState } from '../../support/checks/invariants.js';
import { emptyBelief, type Rules } from './belief.js';
import { fail } from './fail.js';
import { dataOf, type History } from './history.js';
import { FIRST_PACE, isCounted } from './setting.js';
import type { Snapshot } from './snapshot.js';
import { sameUnit } from './told.js';
import { checkUnits } from './units.js';

/** Follows what became of the campaign in the last command, and checks everything that must hold whenever nothing moves. */
export async function audit(history: History): Promise<void> {
  const books = await history.books();
  const rows = await history.database.rows(history.id);
  const surprises = surprising(history, rows);
  if (surprises.length > 0) history.lose();
  follow(history, books, rows);
  noteStrays(history, [...surprises, ...rows.filter((row) => !isThere(books, row))]);
  history.ceiling = Math.max(history.ceiling, history.belief.total, unitsOf(history, books));
  if (books.expiring > 0) throw new Error(`${books.expiring} keys of a campaign that nobody gave an end expire`);
  if (history.belief.serving) await checkBooks(history, books, rows);
  const { setting, told, mostPerUser } = history;
  checkRows(rows, { total: limitOf(history), perUser: mostPerUser });
  for (const { code } of rows) {
    if (setting.stock === 'codes' && !history.loaded.has(code!)) throw new Error(`nobody loaded ${code}`);
  }
  fail([...told.violations, ...told.untrue(rows), ...history.deeds.broken(rows), ...dataViolations(history, rows)]);
  history.denied.clear();
  for (const id of history.traffic.released) history.traffic.releasedEarlier.add(id);
  history.traffic.released.clear();
  history.before = { books, rows };
  await history.copy();
}

/** A row has the data that its user gave. Where Redis or the database lost something, a row may be saved again without. */
function dataViolations({ lost }: History, rows: readonly Issuance[]): string[] {
  return rows
    .filter(({ userId, data }) => data?.of !== dataOf(userId)?.of && !(lost && data === undefined))
    .map(({ userId, data }) => `the row of ${userId} has the data ${JSON.stringify(data)}`);
}

function limitOf({ lost, ceiling, belief, setting, loaded }: History): number {
  if (setting.stock === 'unlimited') return Number.POSITIVE_INFINITY;
  if (setting.stock === 'codes') return loaded.size;
  // After a loss nobody but the unique keys remembers what a restock took away.
  return lost || !belief.serving ? ceiling : belief.total;
}

/**
 * In a state that is behind, a unit that a restock takes away may have its row already, and the next restock makes another
 * one: then the serials that there ever were are the limit.
 */
function unitsOf({ trust, setting }: History, books: Snapshot): number {
  return trust === 'behind' && isCounted(setting) ? books.count('total') - books.count('replaced') : 0;
}

/** The campaign in Redis may be another making by now. */
function follow(history: History, books: Snapshot, now: readonly Issuance[]): void {
  const { state, epoch } = books;
  if (state === 'none') return;
  if (epoch !== history.belief.epoch) begin(history, books);
  const { belief } = history;
  if (state === 'building') belief.mustHave ??= history.before.rows;
  if (state !== 'serving' || belief.serving) {
    belief.serving = state === 'serving';
    return;
  }
  const rows = belief.mustHave ?? history.before.rows;
  if (isNew(history, epoch) && rows.length > 0) throw new Error('it was opened as new, though the database has rows');
  const isFreed = ({ id }: Issuance) => now.some((row) => row.id === id && row.grant === 0);
  const forgotten = rows.filter((row) => !isThere(books, row) && !isFreed(row));
  fail(forgotten.map((row) => `it serves without the row of ${row.userId}, serial ${row.serial}`));
  // The unit of a row whose grant was freed counts as withdrawn. Those that came to it meanwhile may be among them.
  const withdrawn = books.count('withdrawn');
  const least = withdrawn - freedOf(now);
  if (!history.lost && least > 0) throw new Error(`${least} units are withdrawn in what was made anew`);
  Object.assign(belief, { serving: true, mustHave: null, withdrawn: [least, withdrawn - freedOf(rows)] });
  history.trust = belief.isOutdated ? 'behind' : 'whole';
}

function freedOf(rows: readonly Issuance[]): number {
  return rows.filter(({ grant }) => grant === 0).length;
}

function begin(history: History, books: Snapshot): void {
  const { epoch } = books;
  const opened = books.count('opened');
  history.epochs.add(epoch);
  if (isNew(history, epoch)) history.forRebuild.clear();
  if (isNew(history, epoch) || history.belief.epoch === '') {
    history.belief = { ...emptyBelief(), opened, total: opened, rules: firstRules(history, books) };
  }
  const { belief } = history;
  // A rebuild after a loss is told the rules that its operator knows.
  if (history.lost) belief.rules = { ...books.rules, savesPerSecond: belief.rules.savesPerSecond };
  if (belief.opened !== opened) Object.assign(belief, { opened, total: opened });
  // The next run goes on where the outdated one stopped.
  const isOutdated = belief.isOutdated && !belief.serving;
  Object.assign(belief, { epoch, serving: false, partial: [], isOutdated });
}

function firstRules({ setting, lost, mostPerUser }: History, books: Snapshot): Rules {
  const { perUser } = books.rules;
  const isKnown = lost ? perUser >= setting.perUser && perUser <= mostPerUser : perUser === setting.perUser;
  if (!isKnown) throw new Error(`it was made with perUser ${perUser}, which nobody asked for`);
  return { closesAt: null, perUser, savesPerSecond: FIRST_PACE };
}

function isNew({ makings }: History, epoch: string): boolean {
  return makings.get(epoch.slice(epoch.indexOf('-') + 1)) === 'opened';
}

/** A row whose grant was freed needs none. */
function isThere(books: Snapshot, row: Issuance): boolean {
  if (row.grant === 0) return true;
  return books.grants.some((grant) => grant.id === row.id && grant.grant === row.grant && sameUnit(grant, row));
}

/** A save of before a loss came through only now, and Redis does not know of it: it is behind once more. */
function surprising(history: History, rows: readonly Issuance[]): readonly Issuance[] {
  const { books, rows: known } = history.before;
  const late = rows.filter(({ id, epoch }) => history.forgiven.has(epoch) && known.every((row) => row.id !== id));
  return late.filter((row) => !isThere(books, row));
}

/** A save of before a loss that came through while a rebuild was under way may have been too late for it. */
function noteStrays(history: History, unknown: readonly Issuance[]): void {
  const { belief, forgiven } = history;
  if (history.trust === 'whole') {
    history.strays = new Set();
    if (!belief.serving || !unknown.some(({ epoch }) => forgiven.has(epoch))) return;
    history.lose();
  }
  history.strays = new Set([...history.strays, ...unknown.map(({ id }) => id)]);
}

async function checkBooks(history: History, books: Snapshot, rows: readonly Issuance[]): Promise<void> {
  const { belief, told, setting } = history;
  // What had vanished may be as it should again, once the last that was in it has come to its end.
  belief.partial = belief.partial.filter((name) => !books.hasAllOf(name));
  if (belief.partial.length > 0) return;
  if (history.trust === 'behind') return checkUnits(history, books);
  const campaign = { redis: books.reader, campaignId: history.id, afterLoss: history.lost };
  const held = new Set(books.grants.map(({ id }) => id));
  // After a loss an attempt may have its row and, for another grant of the user, a reservation: its save will tell.
  if (history.lost && held.size < books.grants.length) await checkState(campaign);
  // After a loss a rebuild may have been told an earlier limit of its users than that of the rows.
  else await checkInvariants({ ...campaign, rows, ...(history.lost && { perUser: history.mostPerUser }) });
  const stored = new Set(rows.map(({ id }) => id));
  fail(told.broken((id) => held.has(id) || stored.has(id)));
  // What a copy had released earlier may have been taken anew under the same id since.
  const denied = [...history.denied].filter((id) => !history.traffic.releasedEarlier.has(id));
  const kept = denied.filter((id) => books.recordOf(id) !== null);
  const unmoved = kept.filter((id) => books.recordOf(id) === history.before.books.recordOf(id));
  fail(unmoved.map((id) => `${id} was told not_issued while it had its unit all the time`));
  const { paused, closed, withdrawn, rules, updates } = belief;
  is('paused', books.campaign.paused === '1', paused);
  is('closed', books.campaign.closedAt !== undefined, closed);
  for (const name of ['savesPerSecond', 'closesAt', 'perUser'] as const) is(name, books.rules[name], rules[name]);
  is('the changes of the rules', books.changes('update').size, updates.size);
  // After a loss a save that came late may have taken a unit that was removed since: no total is less than the rows.
  if (history.lost && totalOf(books) > belief.total && totalOf(books) === rows.length) belief.total = rows.length;
  if (isCounted(setting)) is('the total', totalOf(books), belief.total);
  fail(untaken(history, books, rows));
  const out = books.count('withdrawn');
  // A delivered unit of a revoked id does not go back into the stock.
  const isBounded = !history.lost && !(setting.delivers && rows.some(isRevoked));
  if (out < withdrawn[0] || (isBounded && out > withdrawn[1] + freedOf(rows)))
    throw new Error(`${out} units are withdrawn, not ${withdrawn}`);
}

/** As operators know it: a unit that took the place of another one does not count. */
export function totalOf(books: Snapshot): number {
  return books.count('total') - books.count('removed') - books.count('replaced');
}

const isRevoked = ({ life }: Issuance) => life?.state === 'revoked';

/** L7: what Redis was told to take back, it took back, once. */
function untaken({ deeds }: History, books: Snapshot, rows: readonly Issuance[]): string[] {
  const returned = rows.filter(({ life }) => life?.unitReturned).length;
  const replaced = books.count('replaced');
  const left = rows.filter((row) => deeds.isTakenBack(row.id) && isLeft(books, row));
  const more = replaced > returned ? [`L7: ${replaced} units came back for ${returned} rows`] : [];
  return [...more, ...left.map(({ id }) => `L7: ${id} was taken back, and Redis does not know`)];
}

/** A revoked row that Redis does not take for revoked. */
export function isLeft({ grants }: Snapshot, { id, serial, grant }: Issuance): boolean {
  return grants.some((one) => one.id === id && one.serial === serial && (grant === 0 || one.state !== 'revoked'));
}

function is(what: string, found: unknown, expected: unknown): void {
  if (found !== expected) throw new Error(`${what}: ${found}, not ${expected}`);
}
