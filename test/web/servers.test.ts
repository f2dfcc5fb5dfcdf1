import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CouponIssuer } from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { nodeHandler } from '../../src/web/index.js';
import { own } from '../support/checks/own.js';
import { Database } from '../support/servers/database.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { fetchShop, get, listen, nodeShop, post, type Shop, USER } from './support.js';

let server: RedisServer;
let database: Database;
let campaigns = 0;
beforeAll(async () => {
  [server, database] = await Promise.all([RedisServer.start(), Database.create()]);
  await new PostgresPersistence(database.pool).createTable();
});
afterAll(() => Promise.all([server.stop(), database.stop()]));

const newIssuer = () =>
  new CouponIssuer({ redis: server.client(), persistence: new PostgresPersistence(database.pool) });

async function rowsIn(id: string): Promise<string[]> {
  const sql = 'SELECT code FROM coupon_issuances WHERE campaign_id = $1 ORDER BY code';
  const { rows } = await database.pool.query<{ code: string }>(sql, [id]);
  return rows.map(({ code }) => code);
}

const FORMS: [form: string, open: (issuer: CouponIssuer, id: string) => Shop | Promise<Shop>][] = [
  ['the fetch form', (issuer, id) => fetchShop(issuer, { campaigns: [id] })],
  ['the Node form', (issuer, id) => nodeShop(issuer, { campaigns: [id] })],
];

describe.each(FORMS)('%s on Redis and PostgreSQL', (_, open) => {
  test('gives the first 1,000 of 1,500 buyers a row each, and a repeat of each its own coupon', async () => {
    const [id, issuer] = [`buyers-${++campaigns}`, newIssuer()];
    await issuer.campaign(id).open({ stock: { kind: 'counted', total: 1_000, generateCodes: true } });
    const { ask } = await own(open(issuer, id));
    const buy = async () => {
      const answers: { status: number; code: string | undefined }[] = [];
      const buyers = Array(1_500).keys();
      // 100 at a time: this process is the shop and every buyer, and a busy one resets the connections of more.
      const oneByOne = async () => {
        for (const i of buyers) {
          const call = { user: `u${i}`, headers: { 'idempotency-key': 'once' } };
          const answer = await post(ask, `/${id}/issue`, call);
          const { coupon } = (await answer.json()) as { coupon?: { code: string } };
          answers[i] = { status: answer.status, code: coupon?.code };
        }
      };
      await Promise.all(Array.from({ length: 100 }, oneByOne));
      return answers;
    };
    const first = await buy();
    expect(first.filter(({ status }) => status === 201)).toHaveLength(1_000);
    expect(first.filter(({ status }) => status === 409)).toHaveLength(500);
    const codes = first.flatMap(({ code }) => code ?? []).sort();
    expect(await rowsIn(id)).toEqual(codes);
    expect(await buy()).toEqual(first);
    await issuer.close();
  });
});

test('a server that shuts down ends its streams and answers the calls in flight', async () => {
  const [id, issuer] = [`leaving-${++campaigns}`, newIssuer()];
  const line = `${id}-line`;
  const stock = { kind: 'counted', total: 1_000, generateCodes: true } as const;
  await issuer.campaign(id).open({ stock });
  await issuer.campaign(line).open({ stock, admission: 'queued' });
  const user = ({ headers }: { headers: Record<string, unknown> }) => headers[USER] as string;
  const http = createServer(nodeHandler(issuer, { campaigns: [id, line], user }));
  const { port } = await listen(http);
  const ask = (path: string, method: string, name: string) =>
    fetch(`http://127.0.0.1:${port}/${path}`, {
      method,
      headers: { [USER]: name, ...(method === 'POST' && { 'content-type': 'application/json' }) },
    });
  const users = Array.from({ length: 30 }, (_, i) => `u${i}`);
  const streams = await Promise.all(
    users.map(async (name) => {
      await (await ask(`${line}/join`, 'POST', name)).json();
      return ask(`${line}/events`, 'GET', name);
    }),
  );
  const lock = await database.pool.connect();
  await lock.query('BEGIN; LOCK TABLE coupon_issuances IN EXCLUSIVE MODE');
  const buying = Promise.all(users.map((name) => ask(`${id}/issue`, 'POST', name)));
  const reserved = async () => (await issuer.campaign(id).inspect()).reserved;
  await expect.poll(reserved, { timeout: 10_000 }).toBe(30);
  const closed = new Promise((resolve) => http.close(resolve));
  const ended = issuer.close();
  for (const stream of streams) expect(await stream.text()).toMatch(/^: watching\n\n/);
  await lock.query('COMMIT');
  lock.release();
  expect((await buying).map(({ status }) => status)).toEqual(users.map(() => 201));
  await ended;
  http.closeIdleConnections();
  await closed;
  expect(await rowsIn(id)).toHaveLength(30);
});

test('a user whose process died finds the coupon at the next process by the same Idempotency-Key', async () => {
  const [id, first] = [`moved-${++campaigns}`, newIssuer()];
  await first.campaign(id).open({ stock: { kind: 'counted', total: 5, generateCodes: true } });
  const headers = { 'idempotency-key': 'click' };
  const one = await own(nodeShop(first, { campaigns: [id] }));
  const before = (await (await post(one.ask, `/${id}/issue`, { headers })).json()) as object;
  await first.close();
  const second = newIssuer();
  const { ask } = await own(nodeShop(second, { campaigns: [id] }));
  expect(await (await post(ask, `/${id}/issue`, { headers })).json()).toEqual({ ...before, replayed: true });
  expect(await (await get(ask, `/${id}/status`)).json()).toMatchObject({ status: 'issued', coupons: [{}] });
  await second.close();
});
