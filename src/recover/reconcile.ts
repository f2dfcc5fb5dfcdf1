import { assertFunction, assertSignal, ownCopy } from '../model/check.js';
import { invalid } from '../model/errors.js';
import { refOf } from '../model/events.js';
import { type Cure, type Finding, found, ReconcileReport } from '../model/findings.js';
import type { Issuance } from '../model/issuance.js';
import * as audit from '../redis/audit.js';
import type { Serving } from '../redis/serving.js';
import {
  PAGE,
  page,
  placeOf,
  type ReconcileOptions,
  type ReconcileParts,
  type Seen,
  sameUnit,
  step,
} from './comparison.js';
import { compareRevoked, findUnrevoked } from './revoked-rows.js';

/** The most units that `row-unit.lua` skips. */
const MOST_SKIPPED = 1_000;

export function checkedReconcileOptions(given: ReconcileOptions): ReconcileOptions {
  const options = ownCopy('the argument of reconcile()', given, ['repair', 'onProgress', 'signal']);
  if (options.repair !== undefined && options.repair !== 'safe') throw invalid('repair', "must be 'safe'");
  assertFunction('onProgress', options.onProgress);
  assertSignal(options.signal);
  return options;
}

/** Compares Redis with the database, page by page, and makes safe repairs on request. */
export async function reconcile(
  { campaign, shard }: Serving,
  options: ReconcileOptions,
  parts: ReconcileParts,
): Promise<ReconcileReport> {
  const settle = campaign.rules.saveMode === 'write-behind' ? null : parts.settle;
  if (options.repair) await settle?.();
  const books = await audit.readBooks(shard);
  const list = parts.persistence?.list;
  const seen: Seen = {
    campaign,
    shard,
    books,
    options,
    parts,
    findings: [],
    rowIds: list ? new Set() : null,
    hands: new Map(),
    missing: [],
    differing: new Set(),
    quarantined: new Set(),
    revoked: new Map(),
    marked: 0,
    grants: 0,
  };
  if (!books.whole) return report(seen, [found('rebuild', { kind: 'state_incomplete' })], false);
  if (seen.rowIds) await compareRows(seen, seen.rowIds);
  await compareGrants(seen);
  await scanFree(seen);
  const after = await audit.readBooks(shard);
  const quiet = after.mark === books.mark;
  if (quiet) compareCounters(seen);
  else dropWhatMoved(seen);
  await compareRevoked(seen, after, quiet);
  await mendRows(seen, quiet);
  if (options.repair && seen.findings.some(({ repaired }) => repaired)) await settle?.();
  return report(seen, seen.findings, quiet);
}

async function compareRows(seen: Seen, rowIds: Set<string>): Promise<void> {
  const { shard, books } = seen;
  let after = 0;
  for (;;) {
    const rows = await page(seen, after);
    if (rows.length === 0) return;
    const grants = await audit.readGrants(shard, books.epoch, rows);
    for (const [i, row] of rows.entries()) {
      rowIds.add(row.id);
      if (row.state === 'revoked') seen.revoked.set(row.id, row);
      const grant = grants[i]!;
      if (row.grant === 0) continue;
      if (!grant) seen.missing.push(row);
      else if (!sameUnit(row, grant)) {
        // A reservation meets its row when it is saved again; a grant that is issued never is.
        const cure = grant.state === 'reserved' ? 'settle' : 'rebuild';
        if (row.id === grant.id) seen.differing.add(row.id);
        seen.findings.push(found(cure, { kind: 'row_differs', row: refOf(row), grant: refOf(grant) }));
      } else await findUnrevoked(seen, row, grant);
    }
    after = rows.at(-1)!.serial;
    step(seen, 'rows', rowIds.size);
  }
}

async function compareGrants(seen: Seen): Promise<void> {
  const { shard, books, rowIds } = seen;
  const fields = new Set<string>();
  const codes = new Map<string, Issuance>();
  for await (const page of audit.scanGrants(shard, books.epoch)) {
    const fresh = page.filter(({ issuance: { grant, userId } }) => {
      const field = `${grant}:${userId}`;
      return fields.size < fields.add(field).size;
    });
    const issued = fresh.flatMap(({ issuance }) => (issuance.state === 'reserved' ? [] : [issuance]));
    if (rowIds) await findUnsaved(seen, issued, rowIds);
    for (const { issuance, due } of fresh) {
      if (due !== null && audit.isInQuarantine(due)) seen.quarantined.add(issuance.id);
      compareHands(seen, issuance, codes);
      if (issuance.state === 'revoked') seen.marked++;
      if (issuance.state === 'reserved') compareLease(seen, issuance, due);
    }
    seen.grants = fields.size;
    step(seen, 'grants', seen.grants);
  }
}

/** Looks twice before it says that a row is missing: it may have been committed after its page was read. */
async function findUnsaved(seen: Seen, issued: readonly Issuance[], rowIds: Set<string>): Promise<void> {
  const { shard, books, options } = seen;
  for (const issuance of issued.filter(({ id }) => !rowIds.has(id))) {
    const [row] = await page(seen, issuance.serial - 1, 1);
    if (row?.id === issuance.id) {
      rowIds.add(row.id);
      continue;
    }
    // Nothing is saved again that was revoked.
    const isKept = issuance.state === 'issued';
    const repaired = isKept && options.repair === 'safe' && (await audit.reopenGrant(shard, books.epoch, issuance));
    seen.findings.push(
      found(isKept ? 'repair' : 'rebuild', { kind: 'grant_without_row', grant: refOf(issuance) }, repaired),
    );
  }
}

function compareHands(seen: Seen, issuance: Issuance, codes: Map<string, Issuance>): void {
  const { serial, code } = issuance;
  const other = seen.hands.get(serial);
  if (other) {
    const grants = [refOf(other), refOf(issuance)];
    seen.findings.push(found(cureOfTwo(seen, [other, issuance]), { kind: 'serial_twice', serial, grants }));
  }
  const sameCode = code === null ? undefined : codes.get(code);
  if (sameCode && sameCode.serial !== serial) {
    const grants = [refOf(sameCode), refOf(issuance)];
    seen.findings.push(found(cureOfTwo(seen, [sameCode, issuance]), { kind: 'code_twice', serial, grants }));
  }
  seen.hands.set(serial, issuance);
  if (code !== null) codes.set(code, issuance);
}

/**
 * Each save of one unit but the first is refused, and its user gets another unit. So it is enough that all are saved
 * which have no row.
 */
function cureOfTwo({ rowIds, differing, quarantined }: Seen, holders: readonly Issuance[]): Cure {
  const issued = holders.filter(({ state }) => state !== 'reserved');
  if (issued.some(({ id }) => differing.has(id))) return 'rebuild';
  if (holders.some(({ id }) => quarantined.has(id))) return 'look';
  if (issued.some(({ id }) => rowIds && !rowIds.has(id))) return 'repair';
  return issued.length < holders.length ? 'settle' : 'rebuild';
}

function compareLease(seen: Seen, issuance: Issuance, due: number | null): void {
  const { books, shard } = seen;
  if (due === null) {
    seen.findings.push(found('rebuild', { kind: 'lease_missing', grant: refOf(issuance) }));
    return;
  }
  // The backlog has no lease that could run out: it waits for its turn.
  const overdueMs = books.nowMs - due;
  if (overdueMs > shard.leaseMs && !audit.isInLine(due)) {
    seen.findings.push(found('settle', { kind: 'lease_overdue', grant: refOf(issuance), overdueMs }));
  }
}

async function scanFree(seen: Seen): Promise<void> {
  const { shard, books } = seen;
  let done = 0;
  for await (const serials of audit.scanFree(shard, books.epoch)) {
    for (const serial of serials) {
      if (seen.hands.has(serial)) {
        const holder = seen.hands.get(serial);
        const grants = holder ? [refOf(holder)] : [];
        seen.findings.push(found('rebuild', { kind: 'serial_twice', serial, grants }));
      } else seen.hands.set(serial, null);
    }
    done += serials.length;
    step(seen, 'units', done);
  }
}

/** Only while nothing moved: a unit without a holder was withdrawn, taken away, or is lost. */
function compareCounters(seen: Seen): void {
  const { books, hands, campaign } = seen;
  const lastSerial = books.number('lastSerial');
  const highest = [...hands.keys()].reduce((most, serial) => Math.max(most, serial), 0);
  if (highest > lastSerial) {
    const wrong = { counter: 'lastSerial', is: lastSerial, shouldBe: highest };
    seen.findings.push(found('rebuild', { kind: 'counter_wrong', ...wrong }));
  }
  // A row that Redis lacks accounts for its unit.
  const known = seen.missing.filter(({ serial }) => serial <= lastSerial && !hands.has(serial)).length;
  const units = campaign.rules.kind === 'codes' ? books.number('total') : lastSerial;
  const away = books.number('withdrawn') + books.number('removed');
  const balance = units - hands.size - away;
  // If a row was written back while another user held its unit, Redis counts one withdrawal less, until the database
  // refuses that user.
  const twice = seen.findings.filter(({ kind }) => kind === 'serial_twice').length;
  const lost = balance > 0 ? Math.max(0, balance - twice) : balance;
  if (lost > known) seen.findings.push(found('rebuild', { kind: 'units_lost', count: lost - known }));
  if (lost < 0 && highest <= lastSerial) {
    const is = books.number('withdrawn');
    seen.findings.push(found('rebuild', { kind: 'counter_wrong', counter: 'withdrawn', is, shouldBe: is + lost }));
  }
}

/** A unit that was given back and taken anew while it was compared was seen in two places, and is in one. */
function dropWhatMoved(seen: Seen): void {
  const moving = ['serial_twice', 'code_twice', 'lease_missing'];
  seen.findings = seen.findings.filter(({ kind }) => !moving.includes(kind));
}

/** Rows without a grant in Redis. They are compared once more, because their reservation may have been on its way. */
async function mendRows(seen: Seen, quiet: boolean): Promise<void> {
  const { shard, books, options, hands, missing } = seen;
  for (let first = 0; first < missing.length; first += PAGE) {
    const rows = missing.slice(first, first + PAGE);
    const grants = await audit.readGrants(shard, books.epoch, rows);
    for (const [i, row] of rows.entries()) {
      if (grants[i]) continue;
      const place = placeOf(row, hands, books, quiet);
      const repaired =
        options.repair === 'safe' && place !== null && (await audit.mendRow(shard, books.epoch, row, place));
      // A unit that is not where it was found, though nothing moves, has another code in the pool.
      const inVain = options.repair === 'safe' && quiet && !repaired;
      const mendable = place !== null && !inVain && (place !== 'beyond' || repaired || isNear(row, books));
      const cure: Cure = mendable ? 'repair' : hands.get(row.serial) ? 'settle' : 'rebuild';
      seen.findings.push(found(cure, { kind: 'row_without_grant', row: refOf(row) }, repaired));
    }
  }
}

/** Beyond this the units in between would be too many for one step, or there are no such units. */
function isNear({ serial }: Issuance, books: audit.Books): boolean {
  const total = books.number('total');
  return serial <= books.number('lastSerial') + MOST_SKIPPED && (total === 0 || serial <= total);
}

function report(
  { campaign, books, rowIds, grants }: Seen,
  findings: readonly Finding[],
  quiet: boolean,
): ReconcileReport {
  return new ReconcileReport({
    campaignId: campaign.id,
    epoch: books.epoch,
    rows: rowIds?.size ?? null,
    grants,
    quiet,
    findings,
  });
}
