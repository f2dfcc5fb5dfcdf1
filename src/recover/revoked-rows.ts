import { refOf } from '../model/events.js';
import { found } from '../model/findings.js';
import type { Issuance } from '../model/issuance.js';
import * as audit from '../redis/audit.js';
import { takeBack, unitOf } from '../redis/revoke.js';
import { PAGE, page, placeOf, type Seen } from './comparison.js';

/**
 * Rows that are revoked, against Redis. They are looked at last, because a take-back may have been on its
 * way. `books`: as they are by now.
 */
export async function compareRevoked(seen: Seen, books: audit.Books, quiet: boolean): Promise<void> {
  const { campaign, revoked } = seen;
  const perUser = campaign.rules.perUser;
  const rows = [...revoked.values()];
  const atOnce = Math.max(1, Math.floor(PAGE / perUser));
  // Units for which Redis has put no new one into the stock so far.
  let open = seen.missing.filter((row) => row.life?.unitReturned).length;
  for (let first = 0; first < rows.length; first += atOnce) {
    const some = rows.slice(first, first + atOnce);
    for (const [row, grants] of await grantsOf(seen, some, perUser)) {
      const isOpen = await compareOne(seen, row, grants, books);
      if (isOpen && row.life?.unitReturned) open++;
    }
  }
  if (!quiet) return;
  const returned = rows.filter((row) => row.life?.unitReturned).length;
  const counted = campaign.rules.kind === 'counted' ? books.number('replaced') : returned - open;
  compareCounter(seen, 'replaced', counted, returned - open);
  compareCounter(seen, 'revoked', books.number('revoked'), seen.marked);
}

function compareCounter(seen: Seen, counter: string, is: number, shouldBe: number): void {
  if (is !== shouldBe) seen.findings.push(found('rebuild', { kind: 'counter_wrong', counter, is, shouldBe }));
}

/** For each of these rows its grant in Redis, or all grants of its user where that is freed. */
async function grantsOf(
  { shard, books }: Seen,
  rows: readonly Issuance[],
  perUser: number,
): Promise<[row: Issuance, grants: Issuance[]][]> {
  const asked = rows.map((row) =>
    row.grant > 0 ? [row] : Array.from({ length: perUser }, (_, i) => ({ ...row, grant: i + 1 })),
  );
  const grants = await audit.readGrants(shard, books.epoch, asked.flat());
  return rows.map((row, i) => [row, grants.splice(0, asked[i]!.length).filter((grant) => grant !== null)]);
}

/** Whether Redis has yet to take the unit of this row back. A repair does so. */
async function compareOne(
  seen: Seen,
  row: Issuance,
  grants: readonly Issuance[],
  books: audit.Books,
): Promise<boolean> {
  const { shard, options, hands } = seen;
  const isFreed = row.grant === 0;
  const held = grants.find(({ id, serial }) => id === row.id && serial === row.serial);
  const place = isFreed && !held ? placeOf(row, hands, books, false) : null;
  const isOpen = held ? isFreed || held.state !== 'revoked' : place !== null;
  if (isOpen) {
    const repair = async () => {
      if (place) return audit.mendRow(shard, books.epoch, row, place);
      return typeof (await takeBack(shard, [unitOf(row)])) !== 'string';
    };
    const repaired = options.repair === 'safe' && (await repair());
    seen.findings.push(found('repair', { kind: 'revoked_in_database', row: refOf(row) }, repaired));
  }
  // A reservation of this id meets the row when it is saved; a grant that is issued never does.
  const other =
    isFreed && grants.find(({ id, serial, state }) => id === row.id && serial !== row.serial && state !== 'reserved');
  if (other) seen.findings.push(found('rebuild', { kind: 'row_differs', row: refOf(row), grant: refOf(other) }));
  return isOpen;
}

/** A grant that is marked, whose row is not revoked, also at a second look. No call does that. */
export async function findUnrevoked(seen: Seen, row: Issuance, grant: Issuance): Promise<void> {
  if (grant.state !== 'revoked' || row.state === 'revoked') return;
  const [again] = await page(seen, row.serial - 1, 1);
  if (again?.id !== row.id || again.state === 'revoked') return;
  seen.findings.push(found('look', { kind: 'row_differs', row: refOf(row), grant: refOf(grant) }));
}
