import { channel } from 'node:diagnostics_channel';
import { createRequire } from 'node:module';
import { IORedisInstrumentation } from '@opentelemetry/instrumentation-ioredis';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { Redis } from 'ioredis';
import { Redis as OldestRedis } from 'ioredis-oldest';
import { Redis as RedisV6 } from 'ioredis-v6';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CouponIssuer, type RedisClient } from '../../src/index.js';
import { readersOfArguments } from '../../src/redis/ioredis.js';
import { RedisServer } from '../support/servers/redis-server.js';

const USER = 'user-of-the-trace';
const CODE = 'CODE-OF-TRACE-1';
const DATA = 'data-of-the-trace';

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server.stop());
beforeEach(() => server.client().flushall());

interface Client extends RedisClient {
  disconnect(): void;
}

/** One coupon of a pool, from its load to its confirm. */
async function issueWith(redis: Client): Promise<void> {
  const issuer = new CouponIssuer({ redis, deliver: () => {} });
  const night = issuer.campaign('night');
  await night.open({ stock: { kind: 'codes' } });
  await night.loadCodes([CODE], { loadId: 'first' });
  expect(await night.issue({ userId: USER, data: { note: DATA } })).toMatchObject({ status: 'issued' });
  await issuer.close();
  redis.disconnect();
}

/** What of the three is in a text. */
const seenIn = (text: string) =>
  Object.entries({ user: USER, code: CODE, data: DATA }).flatMap(([name, secret]) =>
    text.includes(secret) ? [name] : [],
  );

interface Heard {
  readonly command: string;
  readonly args: readonly string[];
  readonly result?: unknown;
}

async function heardOf(redis: Client): Promise<Heard[]> {
  const heard: Heard[] = [];
  const listen = (message: unknown) => void heard.push(message as Heard);
  const ends = channel('tracing:ioredis:command:asyncEnd');
  ends.subscribe(listen);
  try {
    await issueWith(redis);
  } finally {
    ends.unsubscribe(listen);
  }
  return heard;
}

describe.each([
  ['5.11', () => new Redis(server.port)],
  ['6', () => new RedisV6(server.port)],
] as const)('a subscriber of tracing:ioredis:command on ioredis %s', (_, connect) => {
  test('sees users, codes and data in the arguments of EVALSHA, and codes in the replies', async () => {
    const heard = (await heardOf(connect() as unknown as Client)).filter(({ command }) =>
      /^eval(sha)?$/i.test(command),
    );
    expect(heard.length).toBeGreaterThan(3);
    expect(seenIn(JSON.stringify(heard.map(({ args }) => args)))).toEqual(['user', 'code', 'data']);
    expect(seenIn(JSON.stringify(heard.map(({ result }) => result)))).toContain('code');
  });

  test('sees none of them in the names of the commands, which is all to keep', async () => {
    const heard = await heardOf(connect() as unknown as Client);
    expect(seenIn(JSON.stringify(heard.map(({ command }) => command)))).toEqual([]);
  });
});

test('ioredis 5.4 has no such channel', async () => {
  expect(await heardOf(new OldestRedis(server.port) as unknown as Client)).toEqual([]);
});

describe('the instrumentation of ioredis', () => {
  const exports = createRequire(import.meta.url)('ioredis');

  /** The texts of its spans for one coupon. */
  async function textsWith(config: ConstructorParameters<typeof IORedisInstrumentation>[0]): Promise<string[]> {
    const exporter = new InMemorySpanExporter();
    const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
    const instrumentation = new IORedisInstrumentation({ enabled: false, requireParentSpan: false, ...config });
    instrumentation.setTracerProvider(provider);
    const [definition] = instrumentation.getModuleDefinitions();
    definition!.patch!(exports, '5.11.1');
    try {
      const redis = new Redis(server.port);
      expect(readersOfArguments(redis)).toEqual(['an instrumentation around sendCommand']);
      await issueWith(redis);
    } finally {
      exports.prototype.sendCommand.__unwrap();
      exports.prototype.connect.__unwrap();
    }
    const spans = exporter.getFinishedSpans().filter(({ name }) => /^eval(sha)?$/.test(name));
    expect(spans.length).toBeGreaterThan(3);
    return spans.map(({ attributes }) => String(attributes['db.query.text']));
  }

  test('puts users, codes and data into db.query.text by its defaults', async () => {
    expect(seenIn((await textsWith({})).join('\n'))).toEqual(['user', 'code', 'data']);
  });

  test('keeps the name of the command alone with the serializer of the guide', async () => {
    const texts = await textsWith({ dbStatementSerializer: (command) => command });
    expect([...new Set(texts)].every((text) => /^eval(sha)?$/.test(text))).toBe(true);
  });
});
