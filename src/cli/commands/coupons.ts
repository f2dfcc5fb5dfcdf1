import { checkedFilter } from '../../box/requests.js';
import { type CsvColumn, toCsv } from '../../csv/index.js';
import { assertText } from '../../model/check.js';
import type { Coupon } from '../../model/coupon.js';
import { maskedCode } from '../../model/masked-code.js';
import { checkedRedeem, checkedRevoke, checkedUnredeem } from '../../redeem/requests.js';
import type { CouponResult } from '../../redeem/results.js';
import type { CliCommand, CliOption, CommandSession } from '../command.js';
import { codeOf } from '../faults.js';
import type { CliInput } from '../input.js';
import { fieldsOf, type Output, tableOf } from '../output.js';
import { EXIT } from '../world.js';

const SHOW_CODES = { help: 'show codes as they are; each is worth its coupon' };

/** How a coupon is named: by a code from stdin, or by its id and user. */
const COUPON: Readonly<Record<string, CliOption>> = {
  code: { value: '-', help: 'read the code of the coupon from stdin' },
  user: { value: 'USER', help: 'its user' },
  id: { value: 'ID', help: 'its id, with --user, instead of a code' },
};

/** Stands for the code until stdin is read. */
const UNREAD = 'x';

function couponOf(input: CliInput) {
  const named = input.oneOf('code', 'id');
  if (named === 'code') input.assertFromStdin('code');
  return {
    userId: input.text('user'),
    id: input.text('id'),
    code: named === 'code' ? UNREAD : undefined,
  };
}

async function withCode<T extends { readonly code: string | undefined }>(
  of: T,
  { secretLine }: CommandSession,
): Promise<T> {
  return of.code === undefined ? of : { ...of, code: await secretLine('the code') };
}

/** A coupon as the command shows it: its code only where it was asked for. */
function shown(coupon: Coupon, codes: boolean): Coupon {
  return codes || coupon.code === null ? coupon : { ...coupon, code: maskedCode(coupon.code) };
}

/** A refusal is told like a success, and ends with the code of findings. */
async function told(out: Output, result: CouponResult, good: readonly string[]): Promise<number | undefined> {
  const { status, coupon, ...rest } = { coupon: undefined, ...result };
  const about = coupon && { user: coupon.userId, serial: coupon.serial, id: coupon.id };
  const value = coupon ? { status, ...rest, coupon: shown(coupon, false) } : { status, ...rest };
  await out.item(value, () => fieldsOf({ status, ...rest, ...about }));
  return good.includes(status) ? undefined : EXIT.findings;
}

const redeem: CliCommand = {
  name: 'redeem',
  summary: 'Redeem a coupon for an order.',
  args: ['campaign'],
  options: {
    ...COUPON,
    bearer: { help: 'without --user: any caller that has the code' },
    'redemption-id': { value: 'ID', help: 'the order; a repeat under it finds its own answer' },
  },
  example: 'redeem night --user kim --code - --redemption-id order-7 < code.txt',
  effect: 'changes',
  prepare: (input) => {
    const { campaign: id } = input;
    const bearer = input.has('bearer') || undefined;
    const request = { ...couponOf(input), bearer, redemptionId: input.needed('redemption-id') };
    checkedRedeem(id, request as never);
    return {
      does: `redeem a coupon of campaign ${id}`,
      run: async (session) => {
        const result = await session.issuer.campaign(id).redeem((await withCode(request, session)) as never);
        return told(session.out, result, ['redeemed']);
      },
    };
  },
};

const unredeem: CliCommand = {
  name: 'unredeem',
  summary: 'Undo a redemption. Its order never redeems this coupon again.',
  args: ['campaign'],
  options: { ...COUPON, 'redemption-id': { value: 'ID', help: 'the order' } },
  example: 'unredeem night --code - --redemption-id order-7 < code.txt',
  effect: 'changes',
  prepare: (input) => {
    const { campaign: id } = input;
    const request = { ...couponOf(input), redemptionId: input.needed('redemption-id') };
    checkedUnredeem(id, request as never);
    return {
      does: `undo a redemption of campaign ${id}`,
      run: async (session) => {
        const result = await session.issuer.campaign(id).unredeem((await withCode(request, session)) as never);
        return told(session.out, result, ['unredeemed', 'not_redeemed']);
      },
    };
  },
};

const revoke: CliCommand = {
  name: 'revoke',
  summary: 'Revoke a coupon for good.',
  args: ['campaign'],
  options: {
    ...COUPON,
    'revocation-id': { value: 'ID', help: 'the reason, as your records name it' },
    unit: { value: 'kept|returned', help: 'whether a new unit goes into the stock; default kept' },
    again: { help: 'the user may have another coupon' },
  },
  example: 'revoke night --user kim --id 1f0e… --revocation-id fraud-7 --yes',
  effect: 'final',
  prepare: (input) => {
    const { campaign: id } = input;
    const unit = input.text('unit');
    const how = { revocationId: input.needed('revocation-id'), unit, again: input.has('again') };
    const request = { ...couponOf(input), ...how };
    checkedRevoke(id, request as never);
    return {
      does: `revoke a coupon of campaign ${id}`,
      run: async (session) => {
        const result = await session.issuer.campaign(id).revoke((await withCode(request, session)) as never);
        return told(session.out, result, ['taken_back']);
      },
    };
  },
};

const user: CliCommand = {
  name: 'user',
  summary: 'Show the status and the coupons of a user.',
  args: ['campaign', 'user'],
  options: { codes: SHOW_CODES },
  example: 'user night kim',
  effect: 'reads',
  prepare: (input) => {
    const { campaign: id } = input;
    const userId = input.args[1]!;
    assertText('<user>', userId);
    return {
      run: async ({ issuer, out }) => {
        const { issuances, ...standing } = await issuer.campaign(id).userStatus({ userId });
        const rows = await couponsOf(() => issuer.coupons({ userId, campaignIds: [id] }));
        const reserved = issuances.filter((one) => rows.every((row) => row.id !== one.id));
        const coupons = [
          ...rows.map((coupon) => shown(coupon, input.has('codes'))),
          // Redis alone knows these: without a database that is every coupon.
          ...reserved.map(({ id, serial, issuedAt, state }) => ({ id, serial, issuedAt, state, code: null })),
        ];
        await out.item({ id, userId, ...standing, coupons }, () => [
          ...fieldsOf({ user: userId, ...standing }),
          ...(coupons.length > 0 ? ['', ...tableOf(COUPON_HEADS, coupons.map(couponRow))] : []),
        ]);
        return undefined;
      },
    };
  },
};

const COUPON_HEADS = ['SERIAL', 'STATE', 'CODE', 'ISSUED', 'ID'];

function couponRow(
  coupon: Pick<Coupon, 'serial' | 'code' | 'issuedAt' | 'id'> & { readonly state: string },
): unknown[] {
  return [coupon.serial, coupon.state, coupon.code, coupon.issuedAt, coupon.id];
}

/** An issuer without a database, or one that cannot list, has no rows to show. */
async function couponsOf(list: () => Promise<readonly Coupon[]>): Promise<readonly Coupon[]> {
  try {
    return await list();
  } catch (error) {
    if (codeOf(error) === 'MISCONFIGURED') return [];
    throw error;
  }
}

const dump: CliCommand = {
  name: 'export',
  summary: 'Write the coupons of a campaign as CSV to stdout, in the order of their serials. Codes are masked.',
  args: ['campaign'],
  options: {
    codes: SHOW_CODES,
    state: { value: 'STATE', help: 'issued, redeemed, expired or revoked alone' },
    'expiring-before': { value: 'INSTANT', help: 'coupons that are no longer valid at this instant' },
    'after-serial': { value: 'N', help: 'go on behind this serial' },
    columns: { value: 'NAMES', help: 'such as userId,serial,state' },
  },
  example: 'export night > night.csv',
  effect: 'reads',
  prepare: (input) => {
    const { campaign: id } = input;
    const filter = {
      state: input.text('state') as Coupon['state'] | undefined,
      expiringBefore: input.text('expiring-before'),
      afterSerial: input.integer('after-serial'),
    };
    checkedFilter(filter);
    const columns = input.text('columns')?.split(',') as CsvColumn[] | undefined;
    const codes = input.has('codes') ? ('shown' as const) : ('masked' as const);
    toCsv([], { columns });
    return {
      run: async ({ issuer, out }) => {
        const coupons = issuer.campaign(id).coupons(filter);
        if (out.json) for await (const one of coupons) await out.item(shown(one, codes === 'shown'), () => []);
        else for await (const chunk of toCsv(coupons, { codes, columns })) await out.raw(chunk);
        return undefined;
      },
    };
  },
};

export const COUPONS: readonly CliCommand[] = [user, redeem, unredeem, revoke, dump];
