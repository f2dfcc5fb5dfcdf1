import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  CampaignConflictError,
  ClosedError,
  type CouponIssuerError,
  type CouponIssuerErrorCode,
  HookError,
  httpAnswer,
  httpStatus,
  InvalidArgumentError,
  type IssueStatus,
  MisconfiguredError,
  NotIssuedError,
  NotReadyError,
  OverloadedError,
  PersistenceError,
  type ProblemDetails,
  RedisError,
  UnknownCampaignError,
} from '../../src/index.js';
import { blocksOf, PAGES, ROOT, read, sources, tableOf, ticked, toAnchors } from './markdown.js';

/** Every status, checked by the compiler, with what the README says it carries. */
const STATUSES: Record<IssueStatus, string[]> = {
  issued: ['issuance'],
  accepted: ['issuance', 'code', 'null'],
  already_issued: ['issuances'],
  revoked: ['issuance', 'code', 'null'],
  sold_out: [],
  not_open: ['opensAt'],
  closed: ['closedAt'],
  paused: [],
  not_eligible: ['reason'],
  not_ready: ['reason'],
};

const ERRORS: { [C in CouponIssuerErrorCode]: CouponIssuerError & { code: C } } = {
  INVALID_ARGUMENT: new InvalidArgumentError(''),
  UNKNOWN_CAMPAIGN: new UnknownCampaignError(''),
  CAMPAIGN_CONFLICT: new CampaignConflictError(''),
  MISCONFIGURED: new MisconfiguredError(''),
  OVERLOADED: new OverloadedError('', 1),
  REDIS: new RedisError('', { outcome: 'unknown' }),
  NOT_ISSUED: new NotIssuedError(''),
  NOT_READY: new NotReadyError('', 'missing'),
  HOOK: new HookError(''),
  PERSISTENCE: new PersistenceError('', { outcome: 'unknown' }),
  CLOSED: new ClosedError(''),
};

test('the README has at most 200 lines', () => {
  expect(read('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(200);
});

test('the README has a row for each status, with what it carries and its HTTP code', () => {
  const rows = tableOf('README.md', 'status').map(([status, carries, , http]) => ({
    status: ticked(status!)[0],
    carries: ticked(carries!),
    http: Number(http),
  }));
  const expected = Object.entries(STATUSES).map(([status, carries]) => ({
    status,
    carries,
    http: httpStatus({ status }),
  }));
  expect(rows).toEqual(expected);
});

test('the README has each error code with its HTTP code', () => {
  const inReadme = tableOf('README.md', 'code').flatMap(([codes, , http]) => {
    const numbers = http!.split('·').map(Number);
    return ticked(codes!).map((code, i) => [code, numbers[i] ?? numbers[0]]);
  });
  const expected = Object.values(ERRORS).map((error) => [error.code, httpStatus(error)]);
  expect(inReadme.sort()).toEqual(expected.sort());
});

test('docs/errors.md has a heading for each error code, each with cause, state and cure', () => {
  const sections = read('docs/errors.md').split(/^## /m).slice(1);
  const coded = sections.filter((section) => section.startsWith('`'));
  expect(coded.map((section) => ticked(section)[0])).toEqual(Object.keys(ERRORS));
  for (const section of coded) {
    for (const part of ['**Cause.**', '**State.**', '**Cure.**']) expect(section).toContain(part);
  }
});

test('docs/errors.md has a row for the HTTP answer to each refusal and error', () => {
  const at = new Date(Date.now() + 60_000);
  const refusals = {
    ...{ sold_out: {}, not_open: { opensAt: at }, closed: { closedAt: at }, paused: {} },
    ...{ not_eligible: { reason: 'no' }, not_ready: { reason: 'missing' } },
    ...{ already_redeemed: { redeemedAt: at }, redemption_undone: {}, not_saved_yet: { retryAfterMs: 1 } },
    ...{ expired: { expiresAt: at }, revoked: { revokedAt: at }, not_found: {} },
  };
  const fromMs = 'from `retryAfterMs`';
  const waits: Record<string, string> = { not_open: 'until `opensAt`', OVERLOADED: fromMs, not_saved_yet: fromMs };
  const answered = [
    ...Object.entries(refusals).map(([status, carried]) => [status, httpAnswer({ status, ...carried })] as const),
    ...Object.values(ERRORS).map((error) => [error.code, httpAnswer(error)] as const),
    ['any other value', httpAnswer(new Error('x'))] as const,
  ];
  const expected = answered.map(([word, { status, headers, body }]) => {
    const { type, title, status: _, detail, ...carried } = body as ProblemDetails;
    const wait = waits[word as string];
    const carries = Object.keys(carried).map((name) => `\`${name}\``);
    return [
      word.includes(' ') ? word : `\`${word}\``,
      String(status),
      `\`${type}\``,
      wait ?? headers['Retry-After'] ?? '–',
      carries.join(', ') || '–',
    ];
  });
  expect(tableOf('docs/errors.md', 'answer to')).toEqual(expected);
});

test('the README prints the command to install and the two for a clone, and every npm command of the docs is a script', () => {
  const shell = blocksOf('README.md').filter(({ language }) => language === 'sh');
  expect(shell.map(({ text }) => text.trim())).toEqual([
    'npm install coupon-issuer ioredis@5 ioredis-mock',
    'npm ci && npm run demo',
    'npm ci && npm test',
  ]);
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  for (const page of PAGES) {
    for (const [, name] of read(page).matchAll(/\bnpm (?:run )?(?!run\b)([a-z]+)/g)) {
      if (name !== 'ci' && name !== 'install') expect(Object.keys(scripts), `${page}: npm ${name}`).toContain(name);
    }
  }
});

test('CONTRIBUTING and the reliability page name files that exist, and ARCHITECTURE every folder and file of src', () => {
  const architecture = ticked(read('ARCHITECTURE.md'));
  for (const path of sources().map((source) => source.slice('src/'.length))) {
    const known = path.includes('/') ? `src/${dirname(path).split('/')[0]}/` : path;
    expect(
      architecture.some((word) => word === known || word === `src/${known}`),
      known,
    ).toBe(true);
  }
  for (const page of ['CONTRIBUTING.md', 'ARCHITECTURE.md', 'docs/reliability.md']) {
    for (const path of ticked(read(page)).filter((word) => /^(src|lua|test|docs)\/[\w./-]*\w$/.test(word))) {
      if (!path.includes('verb-object')) expect(existsSync(join(ROOT, path)), `${page}: ${path}`).toBe(true);
    }
  }
});

describe.each(PAGES)('%s', (page) => {
  test('has links that lead somewhere', () => {
    for (const [, target] of read(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target!)) continue;
      const [path, anchor] = target!.split('#') as [string, string?];
      const file = path === '' ? page : normalize(join(dirname(page), path));
      expect(existsSync(join(ROOT, file)), `${page} links to ${target}`).toBe(true);
      if (anchor) expect(toAnchors(read(file)), target).toContain(anchor);
    }
  });

  test('has balanced tables', () => {
    const lines = read(page).split('\n');
    lines.forEach((line, i) => {
      if (!line.startsWith('|')) return;
      const before = lines[i - 1] ?? '';
      if (before.startsWith('|')) expect(line.split('|').length, line).toBe(before.split('|').length);
    });
  });
});

const FORBIDDEN = [
  /(?<![\w.])\/(work|root|home|tmp|Users)\//,
  /\.\.\/shared|design\.md|requirements\.md|redis-facts|field-bugs/,
  /registry\.npmjs|verdaccio|artifactory/i,
  /\bTODO\b|\bFIXME\b|\bTBD\b|lorem ipsum/i,
];

test.each([...PAGES, ...sources(), ...sources('lua', '.lua')])('%s says nothing that is only true here', (path) => {
  for (const pattern of FORBIDDEN) expect(read(path)).not.toMatch(pattern);
});

test('the Korean term stands in the README once', () => {
  expect(read('README.md').split('선착순 쿠폰').length - 1).toBe(1);
});
