import { checkCounters } from '../../support/checks/invariants.js';
import { fail } from './fail.js';
import type { History } from './history.js';
import type { Snapshot } from './snapshot.js';

/**
 * While Redis is behind, a row that it did not know may be adopted beside whoever has its unit in Redis. The units add up all the same, and every script
 * keeps all others apart.
 */
export async function checkUnits({ id, strays }: History, books: Snapshot): Promise<void> {
  await checkCounters({ redis: books.reader, campaignId: id });
  const taken = books.grants.filter((grant) => !strays.has(grant.id)).map(({ serial }) => serial);
  const hands = [...taken, ...books.free];
  const twice = hands.filter((serial, i) => hands.indexOf(serial) !== i);
  fail(twice.map((serial) => `unit ${serial} is in two hands, and in neither as a row that Redis had forgotten`));
}
