import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { json } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Upload } from '../../src/dashboard/upload.js';
import { type CouponEvent, CouponIssuer, MemoryPersistence } from '../../src/index.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { type Desk, FORMS, nodeDesk } from './support.js';

const FILE = { 'content-type': 'application/octet-stream' };
let server: RedisServer;
let redis: Redis;
let issuer: CouponIssuer;
let events: CouponEvent[];
let desk: Desk;
let round = 0;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  events = [];
  const onEvent = (event: CouponEvent) => events.push(event);
  issuer = new CouponIssuer({ redis, persistence: new MemoryPersistence(), prefix: `import-${++round}`, onEvent });
  await night().open({ stock: { kind: 'codes' } });
});
afterEach(async () => {
  await desk?.stop();
  await issuer.close();
});

const night = () => issuer.campaign('night');
const audits = () => events.filter(({ type }) => type === 'audit');
const codesOf = (count: number) => Array.from({ length: count }, (_, i) => `SECRET-${100_000 + i}`);
const lineOf = (head: object) => `${JSON.stringify({ campaignId: 'night', loadId: 'first', ...head })}\n`;

interface Imported {
  readonly status: number;
  readonly text: string;
  readonly last: { report?: Record<string, unknown>; fault?: string; detail?: string };
}

/** As the page sends it. */
async function send(head: object, file: string, person = 'kim', headers: Record<string, string> = FILE) {
  const answer = await desk.ask('/api/import', { person, headers, body: lineOf(head) + file });
  const all = await answer.text();
  return { status: answer.status, text: all, last: JSON.parse(all.trim().split('\n').at(-1)!) } as Imported;
}

describe.each(FORMS)('an import in %s', (_, open) => {
  beforeEach(async () => {
    desk = await open(issuer);
  });

  test('loads a column of a CSV with its progress, names the load, and echoes no code', async () => {
    const rows = codesOf(1_200).map((code, i) => `"name ""${i}""\n of two lines";${code}`);
    const { last, text: answer } = await send({ column: 'code' }, `name;code\r\n${rows.join('\r\n')}\r\n`);
    expect(last.report).toMatchObject({ read: 1_200, loaded: 1_200, duplicates: 0, total: 1_200, resumedAt: 0 });
    expect(JSON.parse(answer.split('\n')[0]!)).toMatchObject({ progress: { read: 500, bytes: expect.any(Number) } });
    expect(answer).not.toContain('SECRET');
    expect(audits()).toEqual([{ type: 'audit', action: 'import', campaignId: 'night', by: 'kim', done: true }]);
    const loads = await desk.ask('/api/codes', { person: 'lee', body: { campaignId: 'night' } });
    expect(await loads.json()).toEqual({ loads: [{ loadId: 'first', codes: 1_200 }], more: false });
  });

  test('names a bad line, writes nothing of its batch, and goes on once the file is mended', async () => {
    const codes = codesOf(1_300);
    const broken = codes.with(649, 'BAD,SECRET-CODE');
    const refused = await send({}, `${broken.join('\n')}\n`);
    expect(refused.last.fault).toContain('line 650 ');
    expect(refused.text).not.toContain('SECRET');
    expect((await night().inspect()).total).toBe(500);
    expect(audits()).toMatchObject([{ action: 'import', done: false }]);
    const { last } = await send({}, `${codes.join('\n')}\n`);
    expect(last.report).toMatchObject({ resumedAt: 500, loaded: 800, total: 1_300 });
    const other = await send({}, `${codes.toReversed().join('\n')}\n`);
    expect(other.last.fault).toContain('another list under the loadId first');
  });

  test('only reads a file that is checked, and tells no audit of it', async () => {
    const codes = codesOf(20);
    expect((await send({ check: true }, `${codes.join('\n')}\n`)).last.report).toEqual({ read: 20 });
    expect((await send({ check: true }, `${codes.join('\n')}\n\ncode,2\n`)).last.fault).toContain('line 22 ');
    expect(await night().inspect()).toMatchObject({ total: 0 });
    expect(audits()).toEqual([]);
  });

  test('is refused to a reader, to a page of another site, and for a wrong first line', async () => {
    const file = `${codesOf(3).join('\n')}\n`;
    expect((await send({}, file, 'lee')).status).toBe(403);
    expect((await send({}, file, 'kim', { 'content-type': 'application/json' })).status).toBe(415);
    expect((await send({}, file, 'kim', { ...FILE, 'x-coupon-issuer': '' })).status).toBe(403);
    expect((await send({}, file, 'kim', { ...FILE, origin: 'http://evil.test' })).status).toBe(403);
    const heads = [
      ...[{ campaignId: 7 }, { loadId: '' }, { loadId: undefined }, { column: 0 }, { delimiter: '|' }, { more: 1 }],
      ...[{ check: 'yes' }, { asTheyAre: 1 }, { header: 'yes' }],
    ];
    for (const head of heads) expect([head, (await send(head, file)).status]).toEqual([head, 400]);
    expect((await send({ column: 'x'.repeat(5_000) }, file)).status).toBe(413);
    const headless = await desk.ask('/api/import', { headers: FILE, body: `${file}` });
    expect([headless.status, await headless.text()]).toEqual([400, expect.not.stringContaining('SECRET')]);
    expect(await night().inspect()).toMatchObject({ total: 0 });
    expect(audits()).toEqual([]);
  });

  test('to a campaign without a pool is a fault that says so', async () => {
    await issuer.campaign('counted').open({ stock: { kind: 'counted', total: 3 } });
    const { last } = await send({ campaignId: 'counted' }, 'A-1\n');
    expect(last.fault).toContain('it has no code pool');
    const answer = await desk.ask('/api/codes', { body: { campaignId: 'counted' } });
    expect(answer.status).toBe(409);
  });
});

test('an import whose browser went away is told as not done, and goes on under its load id', async () => {
  const at = await nodeDesk(issuer);
  desk = at;
  const codes = codesOf(1_300);
  const leaving = new AbortController();
  const headers = { ...FILE, 'x-coupon-issuer': 'dashboard', 'x-person': 'kim' };
  const first = new TextEncoder().encode(`${lineOf({})}${codes.slice(0, 700).join('\n')}\n`);
  const body = new ReadableStream({ start: (controller) => controller.enqueue(first) });
  const init = { method: 'POST', headers, body, signal: leaving.signal, duplex: 'half' } as RequestInit;
  const answer = await fetch(`http://127.0.0.1:${at.port}/api/import`, init);
  await answer.body!.getReader().read();
  leaving.abort();
  await expect.poll(audits).toMatchObject([{ action: 'import', done: false }]);
  expect(at.faults).toEqual([]);
  expect((await night().inspect()).total).toBe(500);
  const { last } = await send({}, `${codes.join('\n')}\n`);
  expect(last.report).toMatchObject({ resumedAt: 500, loaded: 800, total: 1_300 });
});

test('takes the whole body of a file that it refuses, because a browser hears no answer before', async () => {
  const at = await nodeDesk(issuer);
  desk = at;
  const headers = { ...FILE, 'x-coupon-issuer': 'dashboard', 'x-person': 'kim' };
  const sent = request({ port: at.port, host: '127.0.0.1', path: '/api/import', method: 'POST', headers });
  const answer = once(sent, 'response').then(([response]) => json(response as IncomingMessage));
  // More than the buffers of a connection hold.
  const chunks = [`${lineOf({})}A;B\n`, ...Array.from({ length: 32 }, () => 'x'.repeat(1024 * 1024))];
  await expect(pipeline(chunks, sent)).resolves.toBeUndefined();
  expect(await answer).toMatchObject({ fault: expect.stringContaining('line 1 ') });
});

test('a file that is too long ends, before it is read to its end', async () => {
  let chunks = 0;
  const chunk = new Uint8Array(1024 * 1024).fill(65);
  const upload = new Upload(
    (async function* () {
      yield new TextEncoder().encode('{}\n');
      for (; chunks < 100; chunks++) yield chunk;
    })(),
  );
  expect(await upload.head()).toEqual({});
  const read = async () => {
    for await (const _ of upload.file());
  };
  await expect(read()).rejects.toMatchObject({ status: 413 });
  expect(chunks).toBe(64);
});
