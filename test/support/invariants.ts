import type { Redis } from 'ioredis';
import { expect } from 'vitest';
import type { Issuance } from '../../src/index.js';
import { decodeIssuance, splitField } from '../../src/redis/record.js';

export interface Audit {
  readonly redis: Redis;
  readonly campaignId: string;
  readonly prefix?: string;
  /** The rows of the campaign in the database, read by the test itself. */
  readonly rows: readonly Pick<Issuance, 'id' | 'userId' | 'grant' | 'serial' | 'code'>[];
  /** After this nothing may be left reserved. */
  readonly settled?: boolean;
}

const distinct = (values: readonly unknown[]) => new Set(values).size;

/** Checks what must hold at any time while Redis keeps its data: in Redis, in the database, and between the two. */
export async function checkInvariants(audit: Audit): Promise<void> {
  const { redis, campaignId, prefix = 'coupon', rows } = audit;
  const key = (name: string) => `{${prefix}:${campaignId}}:${name}`;
  const campaign = await redis.hgetall(key('campaign'));
  const grants = Object.entries(await redis.hgetall(key('grants'))).map(([field, record]) => {
    const { grant, userId } = splitField(field);
    return decodeIssuance(grant, record, { campaignId, userId, epoch: campaign.epoch! });
  });
  const returned = await redis.lrange(key('returned'), 0, -1);
  const pool = await redis.lrange(key('pool'), 0, -1);
  const leases = await redis.zrange(key('leases'), 0, -1);
  const count = (name: string) => Number(campaign[name] ?? 0);
  const total = campaign.kind === 'unlimited' ? Number.POSITIVE_INFINITY : count('total');

  expect(rows.length, 'no oversell').toBeLessThanOrEqual(total);
  expect(distinct(rows.map((row) => row.serial)), 'each serial once in the database').toBe(rows.length);
  const codes = rows.flatMap((row) => (row.code === null ? [] : [row.code]));
  expect(distinct(codes), 'each code once in the database').toBe(codes.length);
  const perUser = new Map<string, number>();
  for (const { userId } of rows) perUser.set(userId, (perUser.get(userId) ?? 0) + 1);
  expect(Math.max(0, ...perUser.values()), 'no user above perUser').toBeLessThanOrEqual(count('perUser'));

  const reserved = grants.filter((grant) => grant.state === 'reserved');
  const issued = grants.filter((grant) => grant.state === 'issued');
  expect(count('reserved'), 'reserved is counted').toBe(reserved.length);
  expect(count('issued'), 'issued is counted').toBe(issued.length);
  expect(leases.length, 'each reservation has a lease').toBe(reserved.length);
  expect(returned.length, 'returned is counted').toBe(count('returned'));
  expect(pool.length, 'the pool is counted').toBe(count('pool'));
  if (campaign.kind === 'counted') {
    const available = total - count('lastSerial') + returned.length;
    expect(available + reserved.length + issued.length + count('withdrawn'), 'conservation').toBe(total);
  } else if (campaign.kind === 'codes') {
    expect(pool.length + reserved.length + issued.length + count('withdrawn'), 'conservation').toBe(total);
  }
  const units = [
    ...grants.map((grant) => String(grant.serial)),
    ...returned,
    ...pool.map((unit) => unit.slice(0, unit.indexOf(':'))),
  ];
  expect(distinct(units), 'no unit in two hands').toBe(units.length);

  const inRedis = new Map(grants.map((grant) => [grant.id, grant]));
  for (const row of rows) {
    const grant = inRedis.get(row.id);
    expect({ id: row.id, serial: grant?.serial, code: grant?.code }, 'each row has its grant').toEqual({
      id: row.id,
      serial: row.serial,
      code: row.code,
    });
  }
  const inDatabase = new Set(rows.map((row) => row.id));
  for (const grant of issued) expect(inDatabase.has(grant.id), 'each issued grant has its row').toBe(true);
  if (audit.settled) expect(reserved.length, 'nothing is left reserved').toBe(0);
}

/** Makes every lease of a campaign run out, without waiting for it. */
export async function expireLeases(redis: Redis, campaignId: string, prefix = 'coupon'): Promise<number> {
  const key = `{${prefix}:${campaignId}}:leases`;
  const fields = await redis.zrange(key, 0, -1);
  if (fields.length > 0) await redis.zadd(key, ...fields.flatMap((field) => [0, field]));
  return fields.length;
}
