import { once } from 'node:events';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PassThrough, Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import { setImmediate as turn } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type CodeSource, CouponIssuer, MemoryPersistence, type RedisClient } from '../../src/index.js';
import { readCodes } from '../../src/read-codes/index.js';
import { openNamed, rebuildNamed } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';

const COUNT = 1_300;
const CODES = Array.from({ length: COUNT }, (_, i) => `code-${i}`);
const pool = (id: string) => ({ id, stock: { kind: 'codes' } }) as const;

let server: RedisServer;
let redis: Redis;
let dir: string;
let file: string;
const unhandled: unknown[] = [];
const note = (reason: unknown) => void unhandled.push(reason);
beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
  dir = mkdtempSync(join(tmpdir(), 'code-sources-'));
  file = join(dir, 'codes.txt');
  writeFileSync(file, `${CODES.join('\n')}\n`);
});
afterAll(async () => {
  await server.stop();
  rmSync(dir, { recursive: true });
});
beforeEach(async () => {
  await redis.flushall();
  unhandled.length = 0;
  process.on('unhandledRejection', note);
  process.on('uncaughtException', note);
});
afterEach(async () => {
  await turn();
  process.off('unhandledRejection', note);
  process.off('uncaughtException', note);
  expect(unhandled).toEqual([]);
});

/** A client whose calls leave only once the gate is open: Redis is as far away as the test wants. */
function behind(gate: Promise<unknown>): RedisClient {
  return {
    evalsha: async (...args: [string, number, ...string[]]) => {
      await gate;
      return redis.evalsha(...args);
    },
    eval: async (...args: [string, number, ...string[]]) => {
      await gate;
      return redis.eval(...args);
    },
  };
}

const issuerOn = (client: RedisClient) => new CouponIssuer({ redis: client, persistence: new MemoryPersistence() });
const inPool = async (id: string) =>
  (await redis.lrange(`{coupon:${id}}:pool`, 0, -1)).map((unit) => unit.split(':')[1]);

interface Spoken {
  readonly codes: CodeSource;
  /** Settles once the source has said something, or all of it, whether anybody listens or not. */
  readonly spoke: Promise<unknown>;
}

async function* slowly(codes: readonly string[]) {
  for (const code of codes) {
    await null;
    yield code;
  }
}

const SOURCES: Record<string, () => Spoken | Promise<Spoken>> = {
  'an array': () => ({ codes: [...CODES], spoke: Promise.resolve() }),
  'a set': () => ({ codes: new Set(CODES), spoke: Promise.resolve() }),
  'a generator': () => ({ codes: CODES.values(), spoke: Promise.resolve() }),
  'an async generator': () => ({ codes: slowly(CODES), spoke: Promise.resolve() }),
  'readline over a file': () => {
    const input = createReadStream(file);
    return { codes: createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }), spoke: once(input, 'data') };
  },
  'the lines of a file handle': async () => {
    const lines = (await open(file)).readLines();
    return { codes: lines, spoke: once(lines, 'line') };
  },
  'a Node stream of lines': () => ({ codes: Readable.from(CODES), spoke: Promise.resolve() }),
  'a web stream of lines': () => ({ codes: ReadableStream.from(CODES) as CodeSource, spoke: Promise.resolve() }),
  'an emitter that speaks at once': () => {
    const input = new PassThrough();
    const codes = createInterface({ input });
    queueMicrotask(() => input.end(`${CODES.join('\r\n')}\r\n`));
    return { codes, spoke: once(input, 'end') };
  },
};

describe.each(Object.entries(SOURCES))('%s that speaks before Redis answers', (_, spoken) => {
  test('is loaded to its last code, in its order', async () => {
    await openNamed(issuerOn(redis), pool('launch'));
    const made = spoken();
    const { codes, spoke } = made instanceof Promise ? await made : made;
    const result = await issuerOn(behind(spoke))
      .campaign('launch')
      .loadCodes(codes)
      .catch((error) => error);
    expect(result).toMatchObject({ loaded: COUNT, duplicates: 0, total: COUNT });
    expect(await inPool('launch')).toEqual(CODES);
  });

  test('is the whole pool of a rebuild', async () => {
    const made = spoken();
    const { codes, spoke } = made instanceof Promise ? await made : made;
    const { campaign } = await rebuildNamed(issuerOn(behind(spoke)), pool('launch'), { codes });
    expect(campaign).toMatchObject({ total: COUNT, available: COUNT });
    expect(await inPool('launch')).toEqual(CODES);
  });
});

/** A failure of the source's own, before Redis has answered anything. */
const FAILING: Record<string, () => Spoken & { readonly says: RegExp }> = {
  'a file that is not there': () => {
    const input = createReadStream(join(dir, 'nowhere.txt'));
    return { codes: createInterface({ input }), spoke: failure(input), says: /ENOENT/ };
  },
  'a Node stream that breaks': () => {
    const codes = new Readable({ objectMode: true, read() {} });
    codes.destroy(new Error('the disk is gone'));
    return { codes, spoke: failure(codes), says: /the disk is gone/ };
  },
  'a web stream that breaks': () => {
    const codes = new ReadableStream<string>({ start: (controller) => controller.error(new Error('cut off')) });
    return { codes: codes as CodeSource, spoke: turn(), says: /cut off/ };
  },
  'an async generator that throws': () => ({ codes: throwing(), spoke: turn(), says: /no such bucket/ }),
  'a generator that throws': () => ({ codes: throwingAtOnce(), spoke: turn(), says: /no such bucket/ }),
};

// biome-ignore lint/correctness/useYield: it fails before its first code
async function* throwing(): AsyncGenerator<string> {
  throw new Error('no such bucket');
}
// biome-ignore lint/correctness/useYield: it fails before its first code
function* throwingAtOnce(): Generator<string> {
  throw new Error('no such bucket');
}
const failure = (stream: Readable) => new Promise<void>((resolve) => void stream.once('close', resolve));

test.each(Object.entries(FAILING))('the error of %s reaches the caller, and nobody else', async (_, failing) => {
  await openNamed(issuerOn(redis), pool('launch'));
  for (const call of ['loadCodes', 'rebuild'] as const) {
    const { codes, spoke, says } = failing();
    const issuer = issuerOn(behind(spoke));
    const done =
      call === 'loadCodes'
        ? issuer.campaign('launch').loadCodes(codes)
        : rebuildNamed(issuer, pool('launch'), { codes });
    await expect(done).rejects.toThrow(says);
  }
});

async function turns<T>(count: number, then: T): Promise<T> {
  for (let i = 0; i < count; i++) await turn();
  return then;
}

/** A source that notes how it was left. */
class Watched {
  readonly left: string[] = [];
  *codes(codes: Iterable<string> = CODES) {
    try {
      yield* codes;
      this.left.push('at its end');
    } finally {
      this.left.push('closed');
    }
  }
  async *later(codes: Iterable<string> = CODES) {
    yield* this.codes(codes);
  }
}

describe('a source is closed', () => {
  const CASES: Record<string, (codes: CodeSource) => Promise<unknown>> = {
    'by a campaign that nobody knows': (codes) => issuerOn(redis).campaign('never').loadCodes(codes),
    'by an option that is none': (codes) => issuerOn(redis).campaign('launch').loadCodes(codes, { loadId: '' }),
    'by a campaign without a pool': (codes) => issuerOn(redis).campaign('counted').loadCodes(codes),
    'by an issuer that was closed': async (codes) => {
      const issuer = issuerOn(redis);
      await issuer.close();
      await issuer.campaign('launch').loadCodes(codes);
    },
    'by a signal that was aborted before': (codes) =>
      issuerOn(redis)
        .campaign('launch')
        .loadCodes(codes, { signal: AbortSignal.abort(new Error('stopped')) }),
    'by a function of progress that throws': (codes) =>
      issuerOn(redis)
        .campaign('launch')
        .loadCodes(codes, {
          onProgress: () => {
            throw new Error('no screen');
          },
        }),
    'by an option of a rebuild that is none': (codes) =>
      rebuildNamed(issuerOn(redis), pool('launch'), { codes, paused: 'no' as unknown as boolean }),
    'by a rebuild without a pool': (codes) =>
      issuerOn(redis)
        .campaign('counted')
        .rebuild({ stock: { kind: 'counted', total: 5 } }, { codes }),
    'by a rebuild without a database': (codes) => rebuildNamed(new CouponIssuer({ redis }), pool('launch'), { codes }),
  };

  test.each(Object.entries(CASES))('%s', async (_, call) => {
    const issuer = issuerOn(redis);
    await openNamed(issuer, pool('launch'));
    await issuer.campaign('counted').open({ stock: { kind: 'counted', total: 5 } });
    for (const kind of ['codes', 'later'] as const) {
      const watched = new Watched();
      const source = watched[kind]();
      await expect(call(source)).rejects.toThrow();
      expect(await source.next()).toEqual({ done: true, value: undefined });
      expect(watched.left).not.toContain('at its end');
    }
    const stream = Readable.from(CODES);
    await expect(call(stream)).rejects.toThrow();
    await turn();
    expect(stream.destroyed).toBe(true);
  });

  test('by a code that is none, in the middle of it', async () => {
    await openNamed(issuerOn(redis), pool('launch'));
    const watched = new Watched();
    const codes = watched.later([...CODES.slice(0, 600), '', ...CODES.slice(600)]);
    await expect(issuerOn(redis).campaign('launch').loadCodes(codes)).rejects.toThrow(
      'code 601 of the list must not be empty',
    );
    expect(watched.left).toEqual(['closed']);
    expect(await inPool('launch')).toEqual(CODES.slice(0, 500));
  });
});

describe('a source that never ends', () => {
  test.each(['loadCodes', 'rebuild'] as const)('and is silent ends %s with the reason of its signal', async (call) => {
    const issuer = issuerOn(redis);
    await openNamed(issuer, pool('launch'));
    const stop = new AbortController();
    const codes = new Readable({ objectMode: true, read() {} });
    for (const code of CODES.slice(0, 501)) codes.push(code);
    const { signal } = stop;
    let told = 0;
    const onProgress = () => void told++;
    const done =
      call === 'loadCodes'
        ? issuer.campaign('launch').loadCodes(codes, { signal, onProgress })
        : rebuildNamed(issuer, pool('launch'), { codes, signal, onProgress });
    // The first chunk is in, and the source has nothing left to say.
    while (told === 0) await turn();
    await turn();
    stop.abort(new Error('the operator went home'));
    const ended = done.then(String, String);
    expect(await Promise.race([ended, turns(100, 'it waits')])).toBe('Error: the operator went home');
    await issuer.idle();
    expect(codes.destroyed).toBe(true);
  });

  test.each(['before', 'after'] as const)('to clean up does not hold up a call that is aborted %s', async (when) => {
    const issuer = issuerOn(redis);
    await openNamed(issuer, pool('launch'));
    const stop = new AbortController();
    let closing = () => {};
    const isClosing = new Promise<void>((resolve) => {
      closing = resolve;
    });
    const codes = {
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ value: when === 'before' ? 'A' : '', done: false }),
        return: () => {
          closing();
          return new Promise<never>(() => {});
        },
      }),
    };
    const onProgress = () => when === 'before' && stop.abort(new Error('enough'));
    const done = issuer.campaign('launch').loadCodes(codes, { signal: stop.signal, onProgress }).then(String, String);
    await isClosing;
    stop.abort(new Error('too late'));
    const expected = when === 'before' ? 'enough' : 'code 1 of the list must not be empty';
    expect(await Promise.race([done, turns(100, 'it waits')])).toContain(expected);
  });

  test('and speaks for ever ends between two chunks', async () => {
    const issuer = issuerOn(redis);
    await openNamed(issuer, pool('launch'));
    const stop = new AbortController();
    function* endless() {
      for (let i = 0; ; i++) yield `code-${i}`;
    }
    const onProgress = ({ total }: { total: number }) => total >= 1_500 && stop.abort(new Error('enough'));
    const done = issuer.campaign('launch').loadCodes(endless(), { signal: stop.signal, onProgress });
    await expect(done).rejects.toThrow('enough');
    expect(await issuer.campaign('launch').inspect()).toMatchObject({ total: 1_500 });
  });
});

test.each([
  ['bytes', () => createReadStream(file)],
  ['text', () => createReadStream(file, 'utf8')],
])('a Node stream of %s is refused, and closed', async (_, stream) => {
  const issuer = issuerOn(redis);
  await openNamed(issuer, pool('launch'));
  for (const call of [
    (codes: CodeSource) => issuer.campaign('launch').loadCodes(codes),
    (codes: CodeSource) => rebuildNamed(issuer, pool('launch'), { codes }),
  ]) {
    const source = stream();
    await expect(call(source as CodeSource)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('pieces'),
    });
    await turn();
    expect(source.destroyed).toBe(true);
  }
  expect(await issuer.campaign('launch').inspect()).toMatchObject({ total: 0, ready: true });
});

test('readline that spoke before the call is refused, because its first lines are lost', async () => {
  const issuer = issuerOn(redis);
  await openNamed(issuer, pool('launch'));
  for (const event of ['data', 'close']) {
    const input = createReadStream(file);
    const codes = createInterface({ input });
    await once(input, event);
    await expect(issuer.campaign('launch').loadCodes(codes)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('before this call'),
    });
    codes.close();
    input.destroy();
  }
  expect(await issuer.campaign('launch').inspect()).toMatchObject({ total: 0 });
});

test.each<[string, () => Promise<CodeSource>]>([
  [
    'a web stream',
    async () => {
      const stream = ReadableStream.from(CODES);
      const reader = stream.getReader();
      await reader.read();
      reader.releaseLock();
      return stream as CodeSource;
    },
  ],
  [
    'the reader of a file',
    async () => {
      const codes = readCodes(createReadStream(file));
      await codes.next();
      return codes;
    },
  ],
])('%s that was read from before is refused, because its first codes are lost', async (_, begun) => {
  const issuer = issuerOn(redis);
  await openNamed(issuer, pool('launch'));
  for (const call of [
    (codes: CodeSource) => issuer.campaign('launch').loadCodes(codes),
    (codes: CodeSource) => rebuildNamed(issuer, pool('launch'), { codes }),
  ]) {
    await expect(call(await begun())).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('before this call'),
    });
  }
  expect(await issuer.campaign('launch').inspect()).toMatchObject({ total: 0, ready: true });
});

test.each<[string, () => CodeSource]>([
  ['a stream of objects', () => Readable.from(CODES)],
  ['a web stream', () => ReadableStream.from(CODES) as CodeSource],
  ['a generator', () => CODES.values()],
  ['readline', () => createInterface({ input: createReadStream(file) })],
  ['the reader of a file', () => readCodes(createReadStream(file))],
])('%s that two calls are given is loaded whole by the first, and refused by the second', async (_, made) => {
  const issuer = issuerOn(redis);
  for (const id of ['gold', 'silver']) await openNamed(issuer, pool(id));
  const source = made();
  const [first, ...others] = await Promise.allSettled([
    issuer.campaign('gold').loadCodes(source),
    issuer.campaign('silver').loadCodes(source),
    rebuildNamed(issuer, pool('silver'), { codes: source }),
  ]);
  expect(first).toMatchObject({ status: 'fulfilled', value: { read: COUNT, loaded: COUNT } });
  for (const other of others) {
    expect(other).toMatchObject({
      status: 'rejected',
      reason: { code: 'INVALID_ARGUMENT', message: expect.stringContaining('codes has a reader already') },
    });
  }
  expect(await inPool('gold')).toEqual(CODES);
  expect(await issuer.campaign('silver').inspect()).toMatchObject({ total: 0, ready: true });
});

test('a stream that readline and the reader of a file are given has one of them', async () => {
  const issuer = issuerOn(redis);
  await openNamed(issuer, pool('launch'));
  const input = createReadStream(file);
  const codes = readCodes(input);
  await expect(issuer.campaign('launch').loadCodes(createInterface({ input }))).rejects.toThrow('a reader already');
  expect(await issuer.campaign('launch').loadCodes(codes)).toMatchObject({ loaded: COUNT });
});

test('a list that is changed while it is loaded is loaded as it was', async () => {
  const issuer = issuerOn(redis);
  await openNamed(issuer, pool('launch'));
  const list = [...CODES];
  const loading = issuer.campaign('launch').loadCodes(list);
  list.length = 0;
  expect(await loading).toMatchObject({ loaded: COUNT });
});

test('progress that is told to an async function which rejects harms nobody', async () => {
  const issuer = issuerOn(redis);
  const onProgress = async () => {
    throw new Error('the progress bar is gone');
  };
  await openNamed(issuer, pool('launch'));
  expect(await issuer.campaign('launch').loadCodes(['A', 'B'], { onProgress })).toMatchObject({ loaded: 2 });
  await issuer.campaign('launch').issue({ userId: 'ann' });
  await issuer.idle();
  expect((await issuer.campaign('launch').reconcile({ onProgress })).findings).toEqual([]);
  await rebuildNamed(issuer, pool('launch'), { codes: ['B'], onProgress });
  await turn();
});

test('a function of progress that throws ends a rebuild and a comparison too', async () => {
  const issuer = issuerOn(redis);
  const onProgress = () => {
    throw new Error('no screen');
  };
  await openNamed(issuer, pool('launch'));
  await issuer.campaign('launch').loadCodes(['A', 'B']);
  await issuer.campaign('launch').issue({ userId: 'ann' });
  await issuer.idle();
  await expect(issuer.campaign('launch').reconcile({ onProgress })).rejects.toThrow('no screen');
  await expect(rebuildNamed(issuer, pool('launch'), { codes: ['B'], onProgress })).rejects.toThrow('no screen');
});
