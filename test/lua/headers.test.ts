import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { campaignKeys } from '../../src/redis/keys.js';
import { scripts } from '../../src/redis/scripts.js';
import { shaOf, sourceOf } from '../support/servers/sent.js';
import { readArguments, readBody, readNames, readWords, scriptFiles } from './read-script.js';

const READS = [
  'TIME',
  'HMGET',
  'HLEN',
  'ZCARD',
  'ZCOUNT',
  'ZSCORE',
  'LLEN',
  'SCARD',
  'LRANGE',
  'ZRANGEBYSCORE',
  'LINDEX',
  'SISMEMBER',
  'SSCAN',
  'EXISTS',
  'INFO',
  'TYPE',
  'HKEYS',
  'HSCAN',
  'ZREVRANGE',
  'ZRANGE',
  'ZRANK',
  // To a channel, not to a key.
  'PUBLISH',
];
/** In a loop over all keys; by name they are writes like any other. */
const EXPIRES = ['PEXPIREAT', 'PERSIST', 'UNLINK'];
const ofAllKeys = ({ name, keys }: { name: string; keys: readonly (string | undefined)[] }) =>
  EXPIRES.includes(name) && keys[0] === 'key';
/** Looking ids up, judging the window and taking units is one act; so is refusing one unit and taking the next, or judging a stretch of serials, or a line. */
const LONGER: Record<string, number> = {
  reserve: 75,
  reassign: 64,
  'adopt-row': 64,
  'claim-due': 64,
  'rebuild-rows': 99,
  'finish-rebuild': 79,
  'admit-line': 75,
  'join-line': 69,
  'begin-rebuild': 82,
  'take-back': 63,
};

const files = scriptFiles();
const registry = new Map(Object.values(scripts).map((script) => [script.name, script]));

test('every script is in the registry, and every entry of the registry has its script', () => {
  expect([...registry.keys()].sort()).toEqual(files.map((file) => file.name).sort());
});

test('a call of several campaigns is known to the server by the text that this process would send', () => {
  const joint = [...registry.values()].filter((script) => script.joint);
  expect(joint.map(({ name }) => name).sort()).toEqual(['confirm', 'reserve']);
  for (const script of joint) expect(createHash('sha1').update(sourceOf(script)).digest('hex')).toBe(shaOf(script));
});

test('the usual case knows the same format as the scripts', () => {
  const formatIn = (file: string) =>
    /FORMAT\b[^=\n]* = (?:.*, )?'(\d+)'/.exec(readFileSync(new URL(`../../lua/${file}`, import.meta.url), 'utf8'))?.[1];
  expect(formatIn('joint/shared.lua')).toBeDefined();
  expect(formatIn('joint/shared.lua')).toBe(formatIn('include/campaign.lua'));
});

test('the README lists each snippet', () => {
  const readme = readFileSync(new URL('../../lua/README.md', import.meta.url), 'utf8');
  const listed = [...readme.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, name]) => name);
  const folder = new URL('../../lua/include/', import.meta.url);
  const snippets = readdirSync(folder).map((file) => file.replace(/\.lua$/, ''));
  expect(snippets.filter((name) => !listed.includes(name))).toEqual([]);
});

test('all keys of a campaign carry one and the same hash tag', () => {
  const keys = Object.values(campaignKeys('prefix', 'launch'));
  for (const key of keys) expect(key).toMatch(/^\{prefix:launch\}:[a-z]+$/);
  expect(new Set(keys).size).toBe(keys.length);
});

describe.each(files)('$name', (file) => {
  const { name, header, source, text } = file;
  const script = registry.get(name)!;
  const body = readBody(source);
  const keyOf = new Map([...body.keys].map(([index, bound]) => [bound, script.keys[index - 1]]));

  test('the header says what it is for, and names keys and arguments as the registry does', () => {
    expect(Object.keys(header)).toEqual(['PURPOSE', 'KEYS', 'ARGV', 'RETURNS', 'WRITES', 'COST']);
    expect(header.PURPOSE).toMatch(/^[A-Z].*\.$/);
    expect(readNames(header.KEYS!)).toEqual(script.keys);
    expect(readArguments(header.ARGV!)).toEqual({ args: script.args, each: script.each });
    expect(header.COST).toMatch(/^O\(.+\)/);
  });

  test('every key it uses is bound to its name on the first lines', () => {
    for (const [index, bound] of body.keys) expect(bound).toBe(`${script.keys[index - 1]}Key`);
    const unbound = script.keys.filter((_, i) => !body.keys.has(i + 1));
    if (!body.touchesAll) expect(unbound).toEqual([]);
  });

  test('every single argument is bound to its name, and the repeated ones begin and stride as registered', () => {
    for (const [index, bound] of body.args) expect(bound).toBe(script.args[index - 1]);
    expect(body.args.size).toBe(script.args.length);
    const { constants } = body;
    if (constants.has('FIRST')) expect(constants.get('FIRST')).toBe(script.args.length + 1);
    if (constants.has('STRIDE')) expect(constants.get('STRIDE')).toBe(script.each.length);
    if (script.each.length > 1 && name !== 'open-campaign') expect(constants.has('STRIDE')).toBe(true);
  });

  test('every key it touches is one of its KEYS', () => {
    for (const { name: command, keys } of body.reached) {
      if (ofAllKeys({ name: command, keys })) {
        expect(body.touchesAll).toBe(true);
        continue;
      }
      for (const key of keys) expect(keyOf.get(key), `${command} ${key}`).toBeDefined();
    }
  });

  test('every key that it gives a name to is used', () => {
    for (const bound of body.keys.values()) {
      const times = source.split(new RegExp(`\\b${bound}\\b`)).length - 1;
      // The key only says which node of a Cluster is meant.
      if (name !== 'inspect-server') expect(times, bound).toBeGreaterThan(1);
    }
  });

  test('its cost names the sorted sets it works on, and only those', () => {
    const sorted = body.reached.some(({ name: command }) => /^Z(?!CARD)/.test(command));
    expect(/\blog\b/.test(header.COST!)).toBe(sorted);
    if (/^O\(1\)/.test(header.COST!))
      expect(body.reached.filter(({ name }) => /SCAN|LREM|LINDEX/.test(name))).toEqual([]);
  });

  test('it writes the keys its header says, and no others', () => {
    const writes = body.reached.filter((command) => !READS.includes(command.name) && !ofAllKeys(command));
    const written = new Set(writes.flatMap(({ keys }) => keys.map((key) => keyOf.get(key))));
    expect([...written].sort()).toEqual(readNames(header.WRITES!).sort());
    expect(script.reads).toBe(written.size === 0);
  });

  test('the words it replies are those of its header, no more and no fewer', () => {
    const { first, inner } = readWords(header.RETURNS!);
    // Of every script that reads a campaign, so no header names it.
    const replies = [...body.replies].filter((word) => word !== 'unknown_format');
    expect(replies.sort()).toEqual([...new Set(first)].sort());
    const texts = new Set([...body.texts].map((text) => text.replace(/:$/, '')));
    for (const word of inner) expect(texts, `${word} is nowhere replied`).toContain(word);
  });

  test('it keeps to what Redis and ioredis-mock agree on', () => {
    expect(source).not.toMatch(/\b(cjson|cmsgpack|struct|bit)\b/);
    expect(source).not.toMatch(/redis\.(?!call\b)/);
    expect(source).not.toMatch(/\{\s*(ok|err)\s*=/);
    expect(source).not.toMatch(/\/\//);
    expect(text).not.toMatch(/^\s*\/\//m);
    expect(source).not.toMatch(/\b(DEL|KEYS|SMEMBERS|HGETALL|EVAL)'/);
    expect(source).not.toMatch(/math\.random/);
  });

  test('it fits on a screen below its header', () => {
    expect(file.length).toBeLessThanOrEqual(LONGER[name] ?? 60);
  });
});
