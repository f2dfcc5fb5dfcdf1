import 'reflect-metadata';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, test } from 'node:test';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { PrismaClient } from '@prisma/client';
import { type Campaign, MemoryPersistence, type UserCoupon } from 'coupon-issuer';
import { getCampaignToken } from 'coupon-issuer/nestjs';
import RedisMock from 'ioredis-mock';
import { AppModule } from '../src/app.module.js';
import { PERSISTENCE, REDIS } from '../src/clients.js';

let app: INestApplication;
let url: string;
let rows: MemoryPersistence;
beforeEach(async () => {
  rows = new MemoryPersistence();
  const module = await Test.createTestingModule({ imports: [AppModule] })
    .overrideProvider(REDIS)
    // Mocks of one host share their data.
    .useValue(new RedisMock({ host: randomUUID() }))
    .overrideProvider(PERSISTENCE)
    .useValue(rows)
    .overrideProvider(PrismaClient)
    .useValue({ $disconnect: async () => {} })
    .compile();
  app = module.createNestApplication({ logger: false });
  await app.listen(0, '127.0.0.1');
  url = await app.getUrl();
  const stock = { kind: 'counted', total: 2, generateCodes: true } as const;
  await campaign('launch').open({ stock });
  await campaign('line').open({ stock, admission: 'queued' });
});
afterEach(() => app.close());

const campaign = (id: string) => app.get<Campaign>(getCampaignToken(id));

type Body = Partial<{ status: string; type: string; coupon: UserCoupon; coupons: UserCoupon[] }>;

async function ask(method: string, path: string, user: number | null, headers = {}, body?: object) {
  const authorization: Record<string, string> = user === null ? {} : { authorization: `Bearer ${user}` };
  const json = { 'content-type': 'application/json' };
  const init = { method, headers: { ...json, ...authorization, ...headers }, body: body && JSON.stringify(body) };
  const response = await fetch(`${url}/${path}`, init);
  return { status: response.status, body: (await response.json()) as Body };
}

test('of three users, the third is told that nothing is left', async () => {
  const answers = [];
  for (const user of [1, 2, 3]) answers.push(await ask('POST', 'launch/coupons', user));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [201, 201, 409],
  );
  assert.equal(answers[2]?.body.type, '/problems/sold_out');
  const { body } = await ask('GET', 'launch/coupons', 1);
  assert.deepEqual([body.status, body.coupons], ['issued', [answers[0]?.body.coupon]]);
});

test('a repeat under its Idempotency-Key gets the same coupon, and a stranger none', async () => {
  const again = () => ask('POST', 'launch/coupons', 1, { 'idempotency-key': 'click-1' });
  const { status, body } = await again();
  assert.deepEqual(await again(), { status, body: { ...body, replayed: true } });
  assert.equal((await ask('POST', 'launch/coupons', null)).status, 401);
});

test('the source of a coupon is a word that the shop knows', async () => {
  await ask('POST', 'launch/coupons', 1, {}, { source: 'mail' });
  await ask('POST', 'launch/coupons', 2, {}, { source: "'; DROP TABLE users" });
  const saved = await rows.list('launch', { afterSerial: 0, limit: 9 });
  assert.deepEqual(
    saved.map(({ data }) => data?.source),
    ['mail', 'other'],
  );
});

test('a user in line hears the coupon in the event stream', async () => {
  assert.equal((await ask('POST', 'line/places', 1)).status, 202);
  const stream = await fetch(`${url}/line/events`, { headers: { authorization: 'Bearer 1' } });
  // The worker of the application admits.
  assert.match(await stream.text(), /"status":"issued".*"code":"[0-9A-Z]{13}"/);
});

test('the shop is ready', async () => {
  assert.deepEqual(await ask('GET', 'ready', null), { status: 200, body: { status: 'up' } });
});
