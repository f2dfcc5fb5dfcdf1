import type { Coupon } from './coupon.js';
import { messageOf, read } from './foreign.js';
import { type HttpStatus, type HttpWord, httpWordOf, statusOf } from './http-status.js';
import { instantMs } from './instants.js';
import { type Issuance, withoutCode } from './issuance.js';
import { PROBLEMS, type ProblemDetails, type ProblemName, problemOf } from './problems.js';
import type { NotReadyReason } from './result.js';

/** An issuance as JSON has it: instants are ISO 8601 in UTC. Without `expiresAt` it is valid for ever. */
export type IssuanceJson = Omit<Issuance, 'issuedAt' | 'expiresAt' | 'life'> & {
  readonly issuedAt: string;
  readonly expiresAt?: string;
};

/** A coupon as JSON has it: instants are ISO 8601 in UTC. Without the id of its redemption. */
export type CouponJson = Omit<Coupon, 'issuedAt' | 'expiresAt' | 'redeemedAt' | 'revokedAt' | 'redemptionId'> & {
  readonly issuedAt: string;
  readonly expiresAt: string | null;
  readonly redeemedAt?: string;
  readonly revokedAt?: string;
};

/** The body for a result that is no refusal. It has the fields of the result. */
export interface HttpResult {
  readonly status: string;
  readonly issuance?: IssuanceJson;
  readonly issuances?: readonly IssuanceJson[];
  readonly coupon?: CouponJson;
  readonly replayed?: true;
  readonly ticket?: number;
  readonly position?: number | null;
  readonly etaMs?: number | null;
}

/** What an HTTP server sends. Every value in it is made anew and is a value of JSON. */
export interface HttpAnswer {
  readonly status: HttpStatus;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: HttpResult | ProblemDetails;
}

const REASONS: Readonly<Record<NotReadyReason, true>> = { missing: true, rolled_back: true, rebuilding: true };
/** A coupon is worth money: no cache on the way keeps one. */
const NOT_STORED = { 'Cache-Control': 'no-store' };

/**
 * The HTTP answer to a result of `issue()`, `join()`, `leave()`, `userStatus()` or a call about a coupon, such as
 * `redeem()`. It answers an error that one of them threw, too. `status` is the number of `httpStatus`, `headers` are
 * ready to be set, and `body` is an object for `JSON.stringify`. Never throws.
 *
 * A refusal or an error is a problem of RFC 9457 with fixed words. Only the message of an `InvalidArgumentError` that
 * names its `argument` is shown. A code is shown only in a result that carries it, once its row is committed. Any other
 * value is a 500 that says nothing about the value: log it yourself.
 *
 * @example
 * ```ts
 * import { httpAnswer } from 'coupon-issuer';
 *
 * const { status, headers, body } = httpAnswer(await launch.issue({ userId }).catch((error: unknown) => error));
 * const answer = new Response(JSON.stringify(body), { status, headers });
 * ```
 */
export function httpAnswer(resultOrError: unknown): HttpAnswer {
  const word = httpWordOf(resultOrError);
  const status = statusOf(word, resultOrError);
  const part = (name: string): unknown => read(() => (resultOrError as Record<string, unknown>)[name]);
  if (word === null) return problem(status, UNEXPECTED, 0);
  // A result with coupons tells of them, and refuses nothing.
  const [name, retryAfter] = Array.isArray(part('issuances')) ? [] : problemOf(word);
  // A result that lost a field on its way is none.
  if (name === undefined) return read(() => result(status, word, part)) ?? problem(500, UNEXPECTED, 0);
  const { title, detail } = PROBLEMS[name];
  const members = { ...membersOf(name, part), ...(name === 'invalid_argument' && shownOf(resultOrError, part)) };
  return problem(status, { type: `/problems/${name}`, title, detail, ...members }, waitOf(name, part) ?? retryAfter!);
}

const UNEXPECTED = {
  type: 'about:blank',
  title: 'Internal Server Error',
  detail: 'Something went wrong on the server.',
};

type Part = (name: string) => unknown;

/** Ten years. */
const LONGEST_WAIT_S = 315_360_000;

function result(status: HttpStatus, word: HttpWord, part: Part): HttpAnswer {
  const [issuance, issuances] = [part('issuance'), part('issuances')];
  const isThere: Partial<Record<HttpWord, boolean>> = {
    issued: Boolean(issuance) || Array.isArray(issuances),
    accepted: Boolean(issuance) || Array.isArray(issuances),
    already_issued: Array.isArray(issuances),
    // `null` until the draw.
    waiting: part('position') === null || typeof part('position') === 'number',
    redeemed: Boolean(part('coupon')),
    unredeemed: Boolean(part('coupon')),
    not_redeemed: Boolean(part('coupon')),
    taken_back: Boolean(part('coupon')),
    extended: Boolean(part('coupon')),
  };
  if (isThere[word] === false) throw new TypeError('the result has lost a part');
  const own: Record<string, unknown> = { status: word };
  if (issuance) own.issuance = jsonOf(issuance as Issuance);
  if (Array.isArray(issuances)) own.issuances = issuances.map(jsonOf);
  const coupon = part('coupon');
  if (coupon) own.coupon = couponJsonOf(coupon as Coupon);
  if (part('replayed') === true) own.replayed = true;
  for (const name of ['ticket', 'position', 'etaMs']) {
    const value = part(name);
    if (value === null || (typeof value === 'number' && Number.isFinite(value))) own[name] = value;
  }
  const headers = { 'Content-Type': 'application/json', ...NOT_STORED };
  return { status, headers, body: own as unknown as HttpResult };
}

/** Field by field, so that nothing comes along that an issuance does not have. */
function jsonOf(issuance: Issuance): IssuanceJson {
  const { id, campaignId, userId, grant, serial, code, issuedAt, epoch, state, expiresAt } =
    issuance.state === 'issued' ? issuance : withoutCode(issuance);
  const instants = { issuedAt: isoOf(issuedAt), ...(expiresAt && { expiresAt: isoOf(expiresAt) }) };
  return { id, campaignId, userId, grant, serial, code, ...instants, epoch, state };
}

/** Without the id of the redemption, which is the shop's. */
function couponJsonOf(coupon: Coupon): CouponJson {
  const { id, campaignId, userId, serial, code, issuedAt, expiresAt, state, redeemedAt, revokedAt } = coupon;
  const ends = { issuedAt: isoOf(issuedAt), expiresAt: expiresAt && isoOf(expiresAt) };
  const became = {
    ...(redeemedAt && { redeemedAt: isoOf(redeemedAt) }),
    ...(revokedAt && { revokedAt: isoOf(revokedAt) }),
  };
  return { id, campaignId, userId, serial, code, ...ends, state, ...became };
}

function problem(status: HttpStatus, body: Omit<ProblemDetails, 'status'>, retryAfter: number): HttpAnswer {
  const { type, title, ...rest } = body;
  const headers = { 'Content-Type': 'application/problem+json', ...NOT_STORED };
  return {
    status,
    headers: retryAfter > 0 ? { ...headers, 'Retry-After': String(retryAfter) } : headers,
    body: { type, title, status, ...rest },
  };
}

/** What a problem carries, each checked: an object of another library may have a field of the same name. */
function membersOf(name: ProblemName, part: Part): Partial<ProblemDetails> {
  const [reason, outcome] = [part('reason'), part('outcome')];
  switch (name) {
    case 'not_open':
      return instant('opensAt', part);
    case 'closed':
      return instant('closedAt', part);
    case 'already_redeemed':
      return instant('redeemedAt', part);
    case 'expired':
      return instant('expiresAt', part);
    case 'revoked':
      return instant('revokedAt', part);
    case 'not_eligible':
      return typeof reason === 'string' ? { reason } : {};
    case 'not_ready':
      return typeof reason === 'string' && Object.hasOwn(REASONS, reason) ? { reason } : {};
    case 'redis':
    case 'persistence':
      if (outcome === 'not_applied') return { outcome, detail: PROBLEMS.hook.detail };
      return { outcome: 'unknown' };
    default:
      return {};
  }
}

function instant(
  name: 'opensAt' | 'closedAt' | 'redeemedAt' | 'expiresAt' | 'revokedAt',
  part: Part,
): Partial<ProblemDetails> {
  const iso = read(() => isoOf(part(name)));
  return iso === undefined ? {} : { [name]: iso };
}

/** A result that went through JSON has its instants as text already. */
function isoOf(value: unknown): string {
  return new Date(instantMs('the instant', value)).toISOString();
}

/** A message that names its argument quotes nothing that a caller wrote. */
function shownOf(error: unknown, part: Part): { detail: string } | null {
  return typeof part('argument') === 'string' ? { detail: messageOf(error) } : null;
}

/** Whole seconds, 1 at least; `null`: the value does not tell. */
function waitOf(name: ProblemName, part: Part): number | null {
  const opensIn = () => read(() => instantMs('opensAt', part('opensAt')) - Date.now());
  const ms =
    name === 'not_open' ? opensIn() : ['overloaded', 'not_saved_yet'].includes(name) ? part('retryAfterMs') : null;
  return Number.isFinite(ms) ? Math.min(LONGEST_WAIT_S, Math.max(1, Math.ceil(Number(ms) / 1000))) : null;
}
