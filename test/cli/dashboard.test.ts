import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { CouponIssuer } from '../../src/index.js';
import { startBrowser, Visitor } from '../support/actors/browser.js';
import { CliProcess } from '../support/actors/cli.js';
import { until } from '../support/checks/until.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let issuer: CouponIssuer;
let browser: Browser;
let dir: string;
let running: CliProcess;
beforeAll(async () => {
  [server, browser] = await Promise.all([RedisServer.start(), startBrowser()]);
  issuer = new CouponIssuer({ redis: server.client() });
  dir = mkdtempSync(join(tmpdir(), 'coupon-desk-'));
  symlinkSync(new URL('../../node_modules', import.meta.url).pathname, join(dir, 'node_modules'));
});
afterAll(async () => {
  await browser?.close();
  await issuer?.close();
  await server?.stop();
  rmSync(dir, { recursive: true, force: true });
});
beforeEach(() => issuer.campaign('night').open({ stock: { kind: 'counted', total: 10 } }));
afterEach(async () => {
  running.child.kill('SIGTERM');
  expect(await running.ended).toMatchObject({ code: 0 });
});

/** Starts it, and returns the address that it printed. */
async function started(...options: string[]): Promise<URL> {
  const env = { REDIS_URL: `redis://127.0.0.1:${server.port}` };
  running = new CliProcess(['dashboard', ...options], { env, cwd: dir });
  await until(() => running.stdout.endsWith('\n') && running.stderr.includes('runs'));
  expect(running.stdout).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#token=[\w-]{32}\n$/);
  return new URL(running.stdout.trim());
}

function pausing({ port, hash }: URL, headers: Record<string, string> = {}): Promise<number> {
  const token = hash.replace('#token=', '');
  const own = { authorization: `Bearer ${token}`, 'x-coupon-issuer': 'dashboard', 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const at = { host: '127.0.0.1', port, path: '/api/pause', method: 'POST', headers: { ...own, ...headers } };
    const asked = httpRequest(at, (response) => {
      response.resume();
      resolve(response.statusCode!);
    });
    asked.on('error', reject);
    asked.end(JSON.stringify({ campaignId: 'night' }));
  });
}

test('reads alone without --write, and changes with it', async () => {
  expect(await pausing(await started())).toBe(403);
  running.child.kill('SIGTERM');
  expect(await running.ended).toMatchObject({ code: 0 });
  expect(await pausing(await started('--write'))).toBe(200);
  expect(await issuer.campaign('night').inspect()).toMatchObject({ state: 'paused' });
  await issuer.campaign('night').resume();
});

test('refuses a wrong token, another host and another origin', async () => {
  const at = await started('--write');
  expect(await pausing(at, { authorization: '' })).toBe(401);
  expect(await pausing(at, { authorization: `Bearer ${'x'.repeat(32)}` })).toBe(401);
  expect(await pausing(at, { host: 'evil.test' })).toBe(403);
  expect(await pausing(at, { origin: 'http://evil.test' })).toBe(403);
  expect(await pausing(at, { 'x-coupon-issuer': '' })).toBe(403);
  expect(await issuer.campaign('night').inspect()).toMatchObject({ state: 'open' });
});

test('opens in a browser by the printed address, whose token leaves the address at once', async () => {
  const at = await started();
  const visitor = await Visitor.arrive(browser);
  const addresses: string[] = [];
  visitor.page.on('request', (request) => addresses.push(request.url()));
  await visitor.page.goto(at.href);
  await visitor.page.getByRole('link', { name: 'night' }).waitFor();
  await visitor.page.getByText('operator · read only').waitFor();
  await issuer.campaign('night').issue({ userId: 'ann' });
  await visitor.page.getByRole('link', { name: 'night' }).click();
  await visitor.page.getByText('This process has answered no buyer').waitFor();
  expect(await visitor.page.locator('dt', { hasText: 'here' }).count()).toBe(0);
  expect(visitor.page.url()).toBe(`${at.origin}/#/campaign/night`);
  expect(addresses.filter((address) => address.includes(at.hash.slice(7)))).toEqual([]);
  expect(visitor.troubles).toEqual([]);
  await visitor.stop();
});
