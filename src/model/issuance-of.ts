import { dataOf, dataText, type JsonObject } from './caller-data.js';
import { assertInteger, assertName, assertText, MAX_PER_USER, MAX_TOTAL, ownCopy } from './check.js';
import { type Instant, instantMs } from './instants.js';
import { deriveId, type Issuance } from './issuance.js';

/** A coupon that was given out before this library ran the campaign. */
export interface GivenCoupon {
  /** `[A-Za-z0-9._-]{1,64}` */
  readonly campaignId: string;
  /** 1–128 bytes of well-formed UTF-8 without U+0000. */
  readonly userId: string;
  /** The number of the unit, from 1 on; each number once in a campaign. */
  readonly serial: number;
  /** When the user got it. */
  readonly issuedAt: Instant;
  /** Which of the user's coupons it is, 1–100; default 1. */
  readonly grant?: number | undefined;
  /** The first instant at which it is no longer valid; default `null`: it is valid for ever. */
  readonly expiresAt?: Instant | null | undefined;
  /** The coupon code, 1–128 bytes; default `null`: it has none. */
  readonly code?: string | null | undefined;
  /** A later `issue()` of the user under this request id finds the coupon; default: no call does. */
  readonly requestId?: string | undefined;
  /** A plain object of JSON, up to 1 KiB of text; default: the row has none. */
  readonly data?: JsonObject | undefined;
}

const FIELDS = ['campaignId', 'userId', 'serial', 'issuedAt', 'grant', 'code', 'requestId', 'data', 'expiresAt'];
/** Before every generation of a campaign: those begin at 1. */
const EPOCH = '0-given-before';

/**
 * The row of a coupon that was given out before, to move a table you already have: save the rows with your adapter,
 * then `rebuild()` the campaign. The same coupon makes the same row, so a migration that stopped may run again. Throws
 * `InvalidArgumentError`. No I/O.
 *
 * @example
 * ```ts
 * import { issuanceOf } from 'coupon-issuer';
 *
 * const rows = [issuanceOf({ campaignId: 'launch', userId: 'kim', serial: 1, code: 'AAA-1', issuedAt: '2026-05-01T10:00:00+09:00' })];
 * const { signal } = new AbortController();
 * const verdicts = await persistence.save(rows, { signal });
 * ```
 */
export function issuanceOf(coupon: GivenCoupon): Issuance {
  const own = ownCopy('issuanceOf()', coupon, FIELDS);
  const { campaignId, userId, serial, grant = 1, code = null, requestId, expiresAt = null } = own;
  assertName('campaignId', campaignId);
  assertText('userId', userId);
  assertInteger('serial', serial, 1, MAX_TOTAL);
  assertInteger('grant', grant, 1, MAX_PER_USER);
  if (code !== null) assertText('code', code);
  if (requestId !== undefined) assertText('requestId', requestId);
  const issuedAt = new Date(instantMs('issuedAt', own.issuedAt));
  // No request id has U+0000, so no call derives this id.
  const id = deriveId(campaignId, userId, requestId ?? `\0${grant}`);
  const data = dataText(own.data);
  return Object.freeze({
    id,
    campaignId,
    userId,
    grant,
    serial,
    code,
    issuedAt,
    epoch: EPOCH,
    state: 'issued',
    ...(expiresAt !== null && { expiresAt: new Date(instantMs('expiresAt', expiresAt)) }),
    ...(data !== '' && { data: dataOf(data) }),
  });
}
