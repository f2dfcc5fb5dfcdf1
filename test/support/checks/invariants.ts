import type { Redis } from 'ioredis';
import { expect } from 'vitest';
import type { Issuance } from '../../../src/index.js';
import { decodeIssuance, splitField } from '../../../src/redis/record.js';

/** A row of a campaign, as the test itself reads it. */
export type Row = Pick<Issuance, 'id' | 'userId' | 'grant' | 'serial' | 'code' | 'expiresAt' | 'life'>;

/** A connection to the server that holds the campaign. */
export type StateReader = Pick<Redis, 'hgetall' | 'lrange' | 'zrange'>;

export interface Audit {
  readonly redis: StateReader;
  readonly campaignId: string;
  readonly prefix?: string;
  /** The rows of the campaign in the database, read by the test itself. */
  readonly rows: readonly Row[];
  /** The most coupons of a user that were ever allowed; default: as many as are allowed now. */
  readonly perUser?: number;
  /** A save of before a loss may have landed since: the save of a reservation of its code will be refused. */
  readonly afterLoss?: boolean;
  /** After this nothing may be left reserved. */
  readonly settled?: boolean;
  /** Saves were under way while the state was made again: until their users or their units come up, Redis does not know of their rows. */
  readonly strays?: boolean;
}

const distinct = (values: readonly unknown[]) => new Set(values).size;

/** Checks what must hold at any time while Redis keeps its data: in Redis, in the database, and between the two. */
export async function checkInvariants(audit: Audit): Promise<void> {
  const { rows } = audit;
  const { total, perUser, grants } = await checkState(audit);
  checkRows(rows, { total, perUser: audit.perUser ?? perUser });
  const inRedis = new Map(grants.map((grant) => [grant.id, grant]));
  for (const row of rows) {
    // The user may have another coupon.
    if (row.grant === 0) continue;
    const grant = inRedis.get(row.id);
    if (audit.strays && !grant) continue;
    expect({ id: row.id, serial: grant?.serial, code: grant?.code }, 'each row has its grant').toEqual({
      id: row.id,
      serial: row.serial,
      code: row.code,
    });
  }
  const inDatabase = new Set(rows.map((row) => row.id));
  const issued = grants.filter((grant) => grant.state !== 'reserved');
  for (const grant of issued) expect(inDatabase.has(grant.id), 'each issued grant has its row').toBe(true);
  if (audit.settled) expect(grants.length - issued.length, 'nothing is left reserved').toBe(0);
}

/** Checks what holds in the database whatever happened to Redis. */
export function checkRows(rows: readonly Row[], limits: { total: number; perUser: number }): void {
  const kept = rows.filter(({ life }) => !life?.unitReturned);
  expect(kept.length, 'no oversell').toBeLessThanOrEqual(limits.total);
  expect(distinct(rows.map((row) => row.serial)), 'each serial once in the database').toBe(rows.length);
  const codes = rows.flatMap((row) => (row.code === null ? [] : [row.code]));
  expect(distinct(codes), 'each code once in the database').toBe(codes.length);
  const perUser = new Map<string, number>();
  for (const { userId } of rows.filter(({ grant }) => grant > 0)) perUser.set(userId, (perUser.get(userId) ?? 0) + 1);
  const most = [...perUser.values()].reduce((most, held) => Math.max(most, held), 0);
  expect(most, 'no user above perUser').toBeLessThanOrEqual(limits.perUser);
}

type Named = Pick<Audit, 'redis' | 'campaignId' | 'prefix' | 'afterLoss'>;

/** Checks a campaign in Redis alone: true after every script of a history whose beginning Redis knows. */
export async function checkState(of: Named) {
  const state = await checkCounters(of);
  const { grants, returned, pool } = state;
  const units = [
    ...grants.map((grant) => String(grant.serial)),
    ...returned,
    ...pool.map((unit) => unit.slice(0, unit.indexOf(':'))),
  ];
  expect(distinct(units), 'no unit in two hands').toBe(units.length);
  const saved = new Set(grants.filter(({ state }) => state !== 'reserved').map(({ code }) => code));
  const isRefused = (one: Issuance) => of.afterLoss === true && one.state === 'reserved' && saved.has(one.code);
  const codes = [
    ...grants.filter((one) => !isRefused(one)).map(({ code }) => code),
    ...pool.map((unit) => unit.slice(unit.indexOf(':') + 1)),
  ];
  const there = codes.filter((code) => code !== null && code !== '');
  expect(distinct(there), 'no code in two hands').toBe(there.length);
  return state;
}

/** Checks that a campaign in Redis holds what it counts, and that it adds up: true even while rows are written back to it whose units it had forgotten. */
export async function checkCounters(of: Named) {
  const { redis, campaignId, prefix = 'coupon' } = of;
  const key = (name: string) => `{${prefix}:${campaignId}}:${name}`;
  const campaign = await redis.hgetall(key('campaign'));
  const grants = Object.entries(await redis.hgetall(key('grants'))).map(([field, record]) => {
    const { grant, userId } = splitField(field);
    return decodeIssuance(grant, record, { campaignId, userId, epoch: campaign.epoch!, validity: null });
  });
  const returned = await redis.lrange(key('returned'), 0, -1);
  const pool = await redis.lrange(key('pool'), 0, -1);
  const leases = await redis.zrange(key('leases'), 0, -1);
  const count = (name: string) => Number(campaign[name] ?? 0);
  const total =
    campaign.kind === 'unlimited' ? Number.POSITIVE_INFINITY : count('total') - count('removed') - count('replaced');

  const reserved = grants.filter((grant) => grant.state === 'reserved');
  const issued = grants.filter((grant) => grant.state !== 'reserved');
  const revoked = issued.filter((grant) => grant.state === 'revoked');
  const announced = Object.keys(campaign).filter((field) => field.startsWith('revoking:'));
  expect(count('revoked'), 'revoked is counted').toBe(revoked.length);
  expect(count('revoking'), 'announcements are counted').toBe(announced.length);
  expect(count('reserved'), 'reserved is counted').toBe(reserved.length);
  expect(count('issued'), 'issued is counted').toBe(issued.length);
  expect(leases.length, 'each reservation has a lease').toBe(reserved.length);
  const withData = Object.keys(await redis.hgetall(key('data')));
  expect(count('data'), 'data is counted').toBe(withData.length);
  const fields = reserved.map(({ grant, userId }) => `${grant}:${userId}`);
  expect(fields, 'no data outlives its reservation').toEqual(expect.arrayContaining(withData));
  expect(returned.length, 'returned is counted').toBe(count('returned'));
  expect(pool.length, 'the pool is counted').toBe(count('pool'));
  const held = grants.length + count('withdrawn');
  if (campaign.kind === 'counted') {
    const available = count('total') - count('lastSerial') + returned.length;
    expect(available + held, 'conservation').toBe(total + count('replaced'));
  } else if (campaign.kind === 'codes') expect(pool.length + held, 'conservation').toBe(total);
  return { kind: campaign.kind, total, perUser: count('perUser'), count, grants, returned, pool };
}

/** Makes every lease of a campaign run out, without waiting for it; those that end meanwhile stay ended. */
export async function expireLeases(
  redis: Pick<Redis, 'zrange' | 'zadd'>,
  campaignId: string,
  prefix = 'coupon',
): Promise<number> {
  const key = `{${prefix}:${campaignId}}:leases`;
  const fields = await redis.zrange(key, 0, -1);
  for (let first = 0; first < fields.length; first += 1000) {
    await redis.zadd(key, 'XX', ...fields.slice(first, first + 1000).flatMap((field) => [0, field]));
  }
  return fields.length;
}
