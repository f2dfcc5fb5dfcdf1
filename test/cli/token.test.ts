import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CommandSession } from '../../src/cli/command.js';
import { DASHBOARD } from '../../src/cli/commands/dashboard.js';
import { CliInput } from '../../src/cli/input.js';
import { CouponIssuer } from '../../src/index.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let issuer: CouponIssuer;
let address: URL;
let ended: Promise<unknown>;
const stopping = new AbortController();

beforeAll(async () => {
  server = await RedisServer.start();
  issuer = new CouponIssuer({ redis: server.client() });
  await issuer.campaign('night').open({ stock: { kind: 'counted', total: 10 } });
  const command = DASHBOARD[0]!;
  const { run } = command.prepare(CliInput.of(command, ['dashboard', '--write'], process.cwd()));
  address = await new Promise((resolve) => {
    const out = { item: async ({ url }: { url: string }) => resolve(new URL(url)), note: () => {} };
    const session = { issuer, out, world: { signal: stopping.signal }, errorLine: String };
    ended = run(session as unknown as CommandSession);
  });
});
afterAll(async () => {
  stopping.abort();
  await ended;
  await issuer.close();
  await server.stop();
});

/** As the page asks. The path goes out as it is given, as no browser sends it. */
function statusOf(authorization: string | null, path = '/api/pause'): Promise<number> {
  const own = { 'x-coupon-issuer': 'dashboard', 'content-type': 'application/json' };
  const headers = authorization === null ? own : { ...own, authorization };
  return new Promise((resolve, reject) => {
    const at = { host: '127.0.0.1', port: address.port, path, method: 'POST', headers };
    const asked = httpRequest(at, (response) => {
      response.resume();
      resolve(response.statusCode!);
    });
    asked.on('error', reject);
    asked.end(JSON.stringify({ campaignId: 'night' }));
  });
}

const tokenOf = () => address.hash.slice('#token='.length);
const flipped = (token: string) => (token.endsWith('A') ? 'B' : 'A');

test.each<[name: string, authorization: (token: string) => string | null]>([
  ['no token', () => null],
  ['an empty token', () => 'Bearer '],
  ['a wrong token of the same length', (token) => `Bearer ${token.slice(0, -1)}${flipped(token)}`],
  ['the beginning of the token', (token) => `Bearer ${token.slice(0, -1)}`],
  ['one character of the token', (token) => `Bearer ${token[0]}`],
  ['the token and one character more', (token) => `Bearer ${token}A`],
  ['a token of a hundred characters', (token) => `Bearer ${token.padEnd(100, 'A')}`],
  ['a token longer than any', (token) => `Bearer ${token.padEnd(10_000, 'A')}`],
  ['the token twice', (token) => `Bearer ${token}, Bearer ${token}`],
  ['the token in other letters', (token) => `Bearer ${token.toLowerCase()}`],
  ['the token under another scheme', (token) => `Basic ${token}`],
  ['the token without a scheme', (token) => token],
])('the dashboard of the command refuses %s', async (_, authorization) => {
  for (const path of ['/api/pause', '/api/overview', '/api/find', '/api/reconcile']) {
    expect([path, await statusOf(authorization(tokenOf()), path)]).toEqual([path, 401]);
  }
  expect(await issuer.campaign('night').inspect()).toMatchObject({ state: 'open' });
});

test('the dashboard of the command takes its token, and another spelling of a path is no way around it', async () => {
  const around = [`http://${address.host}/api/overview`, '//api/overview', '/./api/overview', '/%61pi/overview'];
  for (const path of around) expect([path, await statusOf(null, path)]).toEqual([path, 404]);
  expect(await statusOf(null, '/api/overview?token')).toBe(401);
  expect(await statusOf(`Bearer ${tokenOf()}`)).toBe(200);
  expect(await issuer.campaign('night').inspect()).toMatchObject({ state: 'paused' });
  await issuer.campaign('night').resume();
});
