import type { JsonObject } from '../model/caller-data.js';
import type { CouponTally } from '../model/coupon.js';
import { type Issuance, rowState } from '../model/issuance.js';
import type { Life } from '../model/life.js';

/** A row as a driver gives it: a text may come as bytes, and a large number as text. */
export interface Row {
  readonly id: Text;
  readonly campaign_id: Text;
  readonly user_id: Text;
  /** NULL: the coupon was revoked, and its grant is free again. */
  readonly grant_no: number | string | null;
  readonly serial: number | string;
  readonly code: Text | null;
  readonly issued_at_ms: number | string;
  readonly epoch: Text;
  readonly data: Text | null;
  readonly expires_at_ms: number | string | null;
  readonly version: number | string;
  readonly state: Text;
  readonly state_at_ms: number | string | null;
  readonly state_by: Text | null;
  readonly undone: Text | null;
  readonly unit_returned: boolean | number | string;
}
type Text = Uint8Array | string;

/** The issuance of a row. It has no property for what the row does not have: data, an end, a life. */
export function toIssuance(row: Row): Issuance {
  const life = lifeOf(row);
  return {
    id: textOf(row.id),
    campaignId: textOf(row.campaign_id),
    userId: textOf(row.user_id),
    grant: Number(row.grant_no),
    serial: Number(row.serial),
    code: row.code === null ? null : textOf(row.code),
    issuedAt: new Date(Number(row.issued_at_ms)),
    epoch: textOf(row.epoch),
    state: rowState(life),
    ...(row.expires_at_ms === null ? {} : { expiresAt: new Date(Number(row.expires_at_ms)) }),
    ...(life ? { life } : {}),
    ...(row.data === null ? {} : { data: JSON.parse(textOf(row.data)) as JsonObject }),
  };
}

/** A row that was never changed has none. */
function lifeOf(row: Row): Life | undefined {
  const version = Number(row.version);
  if (version === 0) return undefined;
  const { state_at_ms: atMs, state_by: by, undone, unit_returned: returned } = row;
  return {
    version,
    state: textOf(row.state) as Life['state'],
    at: atMs === null ? null : new Date(Number(atMs)),
    by: by === null ? null : textOf(by),
    undone: undone === null ? '' : textOf(undone),
    unitReturned: returned === true || Number(returned) === 1,
  };
}

export function textOf(value: Text): string {
  return typeof value === 'string' ? value : Buffer.from(value).toString();
}

/** A row of counts as a driver gives it. */
export type CountRow = { readonly [state in keyof CouponTally]: number | string };

export function toTally({ issued, redeemed, expired, revoked, returned }: CountRow): CouponTally {
  return {
    issued: Number(issued),
    redeemed: Number(redeemed),
    expired: Number(expired),
    revoked: Number(revoked),
    returned: Number(returned),
  };
}

/** The data of an issuance as the text that a column keeps. */
export function dataOfRow({ data }: Issuance): string | null {
  return data === undefined ? null : JSON.stringify(data);
}

/** The stored issuance of each id, or `null`, in order. */
export function storedOf(issuances: readonly Issuance[], stored: readonly Issuance[]): (Issuance | null)[] {
  const byId = new Map(stored.map((row) => [`${row.id}:${row.campaignId}`, row]));
  return issuances.map(({ id, campaignId }) => byId.get(`${id}:${campaignId}`) ?? null);
}
