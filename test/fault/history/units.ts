import { checkCounters } from '../../support/invariants.js';
import { fail } from './fail.js';
import type { History } from './history.js';
import type { Snapshot } from './snapshot.js';

/**
 * While Redis is behind, a row that it did not know may be adopted beside whoever has its unit in Redis: until a rebuild those rows are too many. Every
 * script still keeps all others apart, and loses no unit.
 */
export async function checkUnits({ id, strays }: History, books: Snapshot): Promise<void> {
  await checkCounters({ redis: books.reader, campaignId: id });
  const adopted = books.grants.filter((grant) => strays.has(grant.id)).map(({ serial }) => serial);
  const taken = books.grants.filter((grant) => !strays.has(grant.id)).map(({ serial }) => serial);
  const hands = [...taken, ...books.free];
  const twice = hands.filter((serial, i) => hands.indexOf(serial) !== i);
  fail(twice.map((serial) => `unit ${serial} is in two hands, and in neither as a row that Redis had forgotten`));
  if (books.campaign.kind === 'unlimited') return;
  const total = books.count('total') - books.count('removed');
  const left = new Set([...hands, ...adopted]).size + books.count('withdrawn');
  fail(left < total ? [`${left} of ${total} units are left, though rows were only added`] : []);
  fail(left > total + adopted.length ? [`${left} units of ${total} are there`] : []);
}
