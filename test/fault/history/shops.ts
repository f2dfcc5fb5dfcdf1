import fc from 'fast-check';
import type { Coupon, Issuance } from '../../../src/index.js';
import { countIn, newestFirst, noCounts } from '../../../src/model/coupon.js';
import { command, type HistoryCommand } from './command.js';
import { SAVE_MOODS, type SaveMood } from './database.js';
import { type Deed, EXPIRED, EXTENDED, orderOf } from './deeds.js';
import { fail } from './fail.js';
import type { History, Process } from './history.js';

interface Call {
  readonly process: number;
  readonly verb: Deed['verb'];
  readonly coupon: number;
  readonly order: number;
  readonly by: 'code' | 'id' | 'stranger';
  /** Of a revoke. */
  readonly returned: boolean;
  readonly again: boolean;
}

/** Few coupons and few orders, so that they meet. */
const call: fc.Arbitrary<Call> = fc.record({
  process: fc.nat(2),
  verb: fc.constantFrom<Deed['verb']>('redeem', 'redeem', 'redeem', 'unredeem', 'unredeem', 'extend', 'revoke'),
  coupon: fc.nat(2),
  order: fc.nat(2),
  by: fc.constantFrom<Call['by']>('code', 'code', 'id', 'id', 'id', 'stranger'),
  returned: fc.boolean(),
  again: fc.boolean(),
});

const changeMoods = fc.array(fc.constantFrom<SaveMood>(...SAVE_MOODS, 'held', 'held'), { maxLength: 3, size: 'max' });

const coupons = ({ told }: Readonly<History>) => [...told.attempts.values()];

/** Shops redeem and undo, revoke, and move ends. A call of a code that was never saved, or of another user, finds nothing. */
function shop(calls: readonly Call[], moods: readonly SaveMood[]): HistoryCommand {
  const words = calls.map(
    ({ process, verb, coupon, order, by }) => `${process}: ${verb} coupon ${coupon} by ${by} for ${order}`,
  );
  const inMood = moods.length > 0 ? ` [changes ${moods.join(', ')}]` : '';
  return command(
    `shop ${words.join(', ')}${inMood}`,
    async (history) => {
      const { database, traffic } = history;
      database.changeMoods = [...moods];
      const calm = moods.length === 0 && traffic.held.length === 0;
      const deeds = calls.map((one) => does(history, one));
      await traffic.quiet();
      // L9: no state of Redis stands in the way of a coupon that has its row.
      const missing = deeds.filter(
        ({ verb, told, hadRow }) => verb !== 'revoke' && hadRow && calm && (told === null || told === 'unknown'),
      );
      fail(missing.map(({ verb, of }) => `L9: ${verb} ${of} got no answer`));
    },
    (history) => coupons(history).length > 0,
  );
}

function does(history: History, { process, verb, coupon, order, by, returned, again }: Call): Deed {
  const all = coupons(history);
  const { id, ask } = all[coupon % all.length]!;
  const row = history.before.rows.find((one) => one.id === id);
  const code = by === 'id' ? null : (row?.code ?? null);
  const userId = by === 'stranger' ? 'a stranger' : ask.userId;
  const named = code === null ? { id, userId } : { code, userId };
  const redemptionId = orderOf(order);
  const revocationId = `revocation-${order}`;
  const own = verb === 'revoke' ? revocationId : redemptionId;
  const begun = { verb, of: id, order: own, isStranger: by === 'stranger', hadRow: row !== undefined };
  return history.does(history.processes[process]!, begun, (launch) => {
    if (verb === 'redeem') return launch.redeem({ ...named, redemptionId });
    if (verb === 'unredeem') return launch.unredeem({ ...named, redemptionId });
    if (verb === 'revoke') {
      return launch.revoke({ ...named, revocationId, unit: returned ? 'returned' : 'kept', again });
    }
    return launch.extend({ ...named, expiresAt: EXTENDED });
  });
}

export const shopping: fc.Arbitrary<HistoryCommand> = fc
  .tuple(fc.array(call, { minLength: 1, maxLength: 4 }), changeMoods)
  .map(([calls, moods]) => shop(calls, moods));

export const expiring: fc.Arbitrary<HistoryCommand> = fc.constant(
  command(
    'the coupons expire',
    async ({ database }) => {
      database.now = EXPIRED;
    },
    ({ setting }) => setting.expires,
  ),
);

/** Users and shops read: what there is, they see, whatever became of Redis. */
export const reading: fc.Arbitrary<HistoryCommand> = fc
  .tuple(fc.nat(2), fc.nat(9))
  .map(([process, user]) =>
    command(`${process}: look into the box of user-${user}`, (history) =>
      read(history, history.processes[process]!, `user-${user}`),
    ),
  );

async function read({ id, before, database }: History, { issuer }: Process, userId: string): Promise<void> {
  const rows = before.rows.filter((row) => row.userId === userId).sort(newestFirst);
  fail(differs('the box', await issuer.coupons({ userId, campaignIds: [id] }), rows));
  const counts = noCounts();
  for (const row of before.rows) countIn(counts, row, database.now.getTime());
  const tally = await issuer.campaign(id).tally();
  fail(JSON.stringify(tally) === JSON.stringify(counts) ? [] : [`the tally is ${JSON.stringify(tally)}`]);
  const [first] = rows;
  if (!first?.code) return;
  fail(differs('the search', await issuer.findByCode({ code: first.code, campaignIds: [id] }), [first]));
}

function differs(what: string, shown: readonly Coupon[], rows: readonly Issuance[]): string[] {
  const textOf = (one: { id: string; serial: number; state: string }) => `${one.id} #${one.serial} ${one.state}`;
  const expected = rows.map((row) => textOf({ ...row, state: row.life?.state ?? 'issued' }));
  const found = shown.map(textOf);
  return found.join() === expected.join() ? [] : [`${what} shows ${found.join()}, not ${expected.join()}`];
}
