import { type CouponEvent, CouponIssuerError, type Issuance } from '../../../src/index.js';

/** The outcome of a call about a coupon: a result with its status, or what was thrown. */
export type Said = { readonly status: string; readonly stock?: 'done' | 'pending' } | Error;

/** One call of the shop about one coupon. */
export interface Deed {
  readonly verb: 'redeem' | 'unredeem' | 'extend' | 'revoke';
  /** The id of the coupon. */
  readonly of: string;
  /** The redemption or revocation; `extend` has none. */
  readonly order: string;
  /** The user who asks has no such coupon. */
  readonly isStranger: boolean;
  /** The row was there when it was sent. */
  readonly hadRow: boolean;
  /** A status; `unknown` and `not_applied` of an error; `null`: under way. */
  told: string | null;
  /** Of a revoke: whether Redis took the unit back, as it was told. */
  stock: 'done' | 'pending' | null;
}

type Begun = Omit<Deed, 'told' | 'stock'>;

/** An end that no coupon has by itself. */
export const EXTENDED = new Date('2300-01-01T00:00:00Z');

export const orderOf = (number: number) => `order-${number}`;
const ORDER = /order-\d+/g;
const SECRET = /order-\d+|CODE-\d+/;

/** Everything that a shop was told of coupons in one history. */
export class Deeds {
  readonly all: Deed[] = [];
  readonly violations: string[] = [];

  begun(deed: Begun): Deed {
    const begun: Deed = { ...deed, told: null, stock: null };
    this.all.push(begun);
    return begun;
  }

  /** The answer, or the death of its process. */
  answered(deed: Deed, said: Said, now: Date): void {
    if (deed.told !== null) return;
    const word = wordOf(deed, said);
    if (!(said instanceof Error)) deed.stock = said.stock ?? null;
    deed.told = word ?? 'unknown';
    const wrong = word === null ? `unexpected: ${(said as Error).stack}` : this.#untrue(deed, said, now);
    if (wrong) this.violations.push(`${nameOf(deed)} was told ${deed.told}: ${wrong}`);
  }

  /** L10: an event names no order, and no code of a list. */
  heard(event: CouponEvent): void {
    const { error } = event as { error?: Error };
    const secret = SECRET.exec(`${JSON.stringify(event)} ${error?.message ?? ''}`);
    if (secret) this.violations.push(`L10: the event ${event.type} names ${secret[0]}`);
  }

  /** What was told of coupons, held against their rows: true whatever happened to Redis. */
  broken(rows: readonly Issuance[]): string[] {
    return [...this.violations, ...rows.flatMap((row) => this.#brokenBy(row))];
  }

  /** L4 and L10: what an answer says was true at some instant of its call, and it names no order of others. */
  #untrue(deed: Deed, said: Said, now: Date): string | null {
    const { verb, of, order, told, isStranger, hadRow } = deed;
    const others = this.all.filter((one) => one !== deed && one.of === of);
    const isNoRow = told === 'not_found' || told === 'not_saved_yet';
    if (isStranger && !isNoRow && !(said instanceof Error)) return 'it is the coupon of another user';
    if (isNoRow && hadRow && !isStranger) return 'L4: its row was there';
    if (told === 'expired' && now < EXPIRED) return 'L4: the clock of the database says otherwise';
    if (
      told === 'already_redeemed' &&
      !others.some((one) => one.verb === 'redeem' && one.order !== order && mayStand(one))
    )
      return 'L4: nobody else can have redeemed it';
    if (told === 'redemption_undone' && !others.some((one) => one.verb === 'unredeem' && one.order === order))
      return 'L4: nobody undid it';
    const text = said instanceof Error ? said.message : JSON.stringify(said);
    const named = verb === 'redeem' ? (text.match(ORDER) ?? []).find((one) => one !== order) : undefined;
    return named ? `L10: it names ${named}` : null;
  }

  #brokenBy({ id, life, expiresAt }: Issuance): string[] {
    const of = this.all.filter((deed) => deed.of === id);
    const standing = { state: life?.state ?? 'issued', by: life?.by ?? '' };
    const broken: string[] = [];
    for (const deed of of) {
      const wrong = wrongBeside(deed, of, standing, expiresAt ?? null);
      if (wrong) broken.push(`${nameOf(deed)} was told ${deed.told}: ${wrong}`);
    }
    const verb = MADE_BY[standing.state];
    const isRefused = (deed: Deed) => deed.verb !== verb || deed.order !== standing.by || !mayStand(deed);
    if (verb && of.every(isRefused))
      broken.push(`L4: ${id} is ${standing.state} by ${standing.by}, and each call of it was refused`);
    const isLate = standing.state === 'redeemed' && expiresAt && life!.at! >= expiresAt;
    if (isLate) broken.push(`L5: ${standing.by} redeemed ${id} after its end`);
    return broken;
  }

  /** A revoke of it was not refused. */
  mayBeRevoked(id: string): boolean {
    return this.all.some((deed) => deed.of === id && deed.verb === 'revoke' && mayStand(deed));
  }

  /** It was told that Redis took the unit back. */
  isTakenBack(id: string): boolean {
    return this.all.some((deed) => deed.of === id && deed.stock === 'done');
  }

  /** A revoke went on without Redis, or lost sight of it. */
  get anyPending(): boolean {
    return this.all.some(({ verb, told, stock }) => verb === 'revoke' && (stock === 'pending' || told === 'unknown'));
  }
}

interface Standing {
  readonly state: 'issued' | 'redeemed' | 'revoked';
  readonly by: string;
}

const MADE_BY = { issued: null, redeemed: 'redeem', revoked: 'revoke' } as const;

/** L2, L3, L6 and the end of a coupon. */
function wrongBeside(
  { verb, order, told }: Deed,
  of: readonly Deed[],
  { state, by }: Standing,
  expiresAt: Date | null,
): string | null {
  const redeemed = state === 'redeemed' && by === order;
  if (told === 'taken_back' || told === 'revoked') return state === 'revoked' ? null : `L6: its row is ${state}`;
  if (verb === 'redeem' && told === 'redeemed') {
    const mayBeUndone = of.some((deed) => deed.verb === 'unredeem' && deed.order === order);
    return mayBeUndone || redeemed ? null : `L2: its row is ${state} by ${by}`;
  }
  if (verb === 'unredeem' && (told === 'unredeemed' || told === 'not_redeemed')) {
    return redeemed ? 'L3: the redemption stands' : null;
  }
  const isShort = verb === 'extend' && told === 'extended' && expiresAt !== null && expiresAt < EXTENDED;
  return isShort ? 'its end is not that late' : null;
}

/** From this instant on coupons are expired, unless they were extended. */
export const EXPIRED = new Date('2200-01-01T00:00:00Z');

/** It was not refused. */
const mayStand = ({ told }: Deed) => told === null || ['redeemed', 'taken_back', 'unknown'].includes(told);

/** These say that nothing was changed. Without a row, Redis could not say whether one is to come. */
const REFUSALS = ['NOT_READY'];
const REFUSALS_OF_REVOKE = [...REFUSALS, 'UNKNOWN_CAMPAIGN', 'CAMPAIGN_CONFLICT'];

function wordOf({ verb }: Deed, said: Said): string | null {
  if (!(said instanceof Error)) return said.status;
  const { code = '', outcome } = said as { code?: string; outcome?: string };
  if ((verb === 'revoke' ? REFUSALS_OF_REVOKE : REFUSALS).includes(code)) return 'not_applied';
  if (!(said instanceof CouponIssuerError) || (code !== 'PERSISTENCE' && code !== 'REDIS')) return null;
  return outcome === 'not_applied' ? 'not_applied' : 'unknown';
}

function nameOf({ verb, of, order }: Deed): string {
  return `${verb} ${of} ${order}`;
}
