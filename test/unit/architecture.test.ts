import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = new URL('../../', import.meta.url).pathname;

/** Rooms, from top to bottom: a file imports from its own floor or from one below. A room is a folder of src, or a file beside the folders. */
const FLOORS: readonly (readonly string[])[] = [
  ['cli'],
  ['index', 'web', 'dashboard', 'nestjs', 'fastify', 'opentelemetry', 'prometheus'],
  ['hosted-issuer', 'telemetry'],
  ['issuer'],
  ['campaign'],
  ['core'],
  ['options'],
  ['doctor'],
  ['recover', 'operate', 'worker'],
  ['waiting-room'],
  ['settle', 'redeem', 'box'],
  ['issue', 'cache'],
  ['redis', 'persistence', 'read-codes', 'csv', 'testing'],
  ['tracing'],
  ['flow'],
  ['model'],
];

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

const texts = new Map(
  readdirSync(`${ROOT}src`, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
    .map((path) => [path.slice(0, -3), readFileSync(`${ROOT}src/${path}`, 'utf8')]),
);

const imports: Import[] = [...texts].flatMap(([from, text]) =>
  [...text.matchAll(/^(?:import|export)\s(?:([^;'"]*?)\sfrom\s)?'([^']+)';$/gms)].map(([, clause = '', target]) => ({
    from,
    to: target!.startsWith('.') ? posix.join(posix.dirname(from), target!).replace(/\.js$/, '') : target!,
    typeOnly: clause.startsWith('type ') || onlyTypes(clause),
  })),
);

/** `{ type A, type B }` */
function onlyTypes(clause: string): boolean {
  const names = /^\{(.*)\}$/s
    .exec(clause)?.[1]
    ?.split(',')
    .map((name) => name.trim())
    .filter(Boolean);
  return names?.every((name) => name.startsWith('type ')) ?? false;
}

const roomOf = (file: string) => file.split('/')[0]!;
const floorOf = (file: string) => FLOORS.findIndex((floor) => floor.includes(roomOf(file)));
const inSource = imports.filter(({ to }) => texts.has(to));
const arrows = (list: readonly Import[]) => list.map(({ from, to }) => `${from} → ${to}`);

test('the import lines were read', () => {
  expect(inSource.length).toBeGreaterThan(80);
  expect(arrows(imports)).toContain('core → redis/campaigns');
  expect(imports.find(({ from, to }) => from === 'issue/shared-call' && to === 'issue/steps')?.typeOnly).toBe(true);
  expect(imports.find(({ from, to }) => from === 'operate/load-codes' && to === 'redis/pool')?.typeOnly).toBe(false);
});

test('every file of src has its floor', () => {
  expect([...texts.keys()].filter((file) => floorOf(file) === -1)).toEqual([]);
});

test('imports point down', () => {
  expect(arrows(inSource.filter(({ from, to }) => floorOf(from) > floorOf(to)))).toEqual([]);
});

test('rooms of one floor do not need each other in a circle', () => {
  const between = (from: string, to: string) =>
    inSource.some((one) => roomOf(one.from) === from && roomOf(one.to) === to);
  const both = FLOORS.flatMap((floor) =>
    floor.flatMap((one) => floor.filter((other) => one < other && between(one, other) && between(other, one))),
  );
  expect(both).toEqual([]);
});

test('no file needs itself in order to load', () => {
  const needs = (file: string) =>
    inSource.filter(({ from, typeOnly }) => from === file && !typeOnly).map(({ to }) => to);
  const circles: string[] = [];
  const follow = (path: string[]) => {
    for (const next of needs(path.at(-1)!)) {
      if (path.includes(next)) circles.push([...path, next].join(' → '));
      else follow([...path, next]);
    }
  };
  for (const file of texts.keys()) follow([file]);
  expect(circles).toEqual([]);
});

test('redis and persistence do not know each other, and no adapter knows Redis', () => {
  const across = inSource.filter(
    ({ from, to }) =>
      (from.startsWith('redis/') && to.startsWith('persistence/')) ||
      (from.startsWith('persistence/') && to.startsWith('redis/')) ||
      (from.startsWith('testing/') && to.startsWith('redis/')),
  );
  expect(arrows(across)).toEqual([]);
});

test('a shard, and the calls under its epoch, know no rules of their campaign', () => {
  const ofShard = ['redis/shard', 'redis/epoch', 'redis/held', 'redis/reservation', 'redis/server-check'];
  expect(ofShard.filter((file) => !texts.has(file))).toEqual([]);
  expect(arrows(inSource.filter(({ from, to }) => ofShard.includes(from) && to === 'redis/known-campaign'))).toEqual(
    [],
  );
});

test('nothing outside redis knows a key name or a script', () => {
  const inside = ['redis/keys', 'redis/scripts', 'redis/cache-scripts', 'redis/registry-scripts', 'redis/record'];
  expect(arrows(inSource.filter(({ from, to }) => inside.includes(to) && !from.startsWith('redis/')))).toEqual([]);
  const lua = imports.filter(({ to }) => to.endsWith('.lua'));
  expect(lua.length).toBeGreaterThan(10);
  expect(new Set(lua.map(({ from }) => from))).toEqual(
    new Set(['redis/scripts', 'redis/cache-scripts', 'redis/registry-scripts']),
  );
});

test('only Node itself is imported from outside, ioredis as a type at most', () => {
  const isBundled = ({ from, to }: Import) =>
    to.endsWith('.lua') || (from === 'dashboard/dashboard' && to === '../page/dashboard.html');
  const foreign = imports.filter((one) => !texts.has(one.to) && !isBundled(one) && !one.to.startsWith('node:'));
  const others = foreign.filter(({ to, typeOnly }) => to !== 'ioredis' || !typeOnly);
  const ofNest = others.filter(({ from, to }) => from.startsWith('nestjs/') && ['@nestjs/common', 'rxjs'].includes(to));
  const ofFastify = foreign.filter(({ to }) => to === 'fastify');
  const ofMeters = others.filter(
    ({ from, to }) =>
      (from.startsWith('opentelemetry/') && to === '@opentelemetry/api') ||
      (from.startsWith('prometheus/') && to === 'prom-client'),
  );
  expect(new Set(ofMeters.map(({ to }) => to)).size).toBe(2);
  expect(ofNest.length).toBeGreaterThan(2);
  expect(ofFastify.map(({ from, typeOnly }) => [from, typeOnly])).toEqual([['fastify/index', true]]);
  // Bundled, into what reads files of codes alone.
  const rest = others.filter((one) => ![...ofNest, ...ofFastify, ...ofMeters].includes(one));
  expect(arrows(rest)).toEqual(['read-codes/rows → csv-parse']);
  expect(
    arrows(
      inSource.filter(({ from, to }) => to.startsWith('read-codes/') && !/^(read-codes|cli|dashboard)\//.test(from)),
    ),
  ).toEqual([]);
  // The command takes the clients and the config of the user.
  const atRunTime = [...texts].filter(([, text]) => /\bimport\(|\brequire\(/.test(text)).map(([file]) => file);
  expect(atRunTime.sort()).toEqual(['cli/clients', 'cli/wiring']);
});

test('what only ioredis has is looked at in one file', () => {
  const ofIoredis =
    /\bisCluster\??:|\bstream\?: unknown|enableAutoPipelining|keyPrefix\??:|lazyConnect|\.duplicate\b|isPipeline|subscriberMode/;
  const files = [...texts]
    .filter(([, text]) => ofIoredis.test(text.replace(/^\s*\/?\*.*$/gm, '')))
    .map(([file]) => file);
  expect(files).toEqual(['redis/ioredis']);
});

test('the package depends on nothing', () => {
  const manifest = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
  expect(manifest.dependencies ?? {}).toEqual({});
  expect(manifest.optionalDependencies ?? {}).toEqual({});
  expect(Object.keys(manifest.peerDependencies)).toContain('ioredis');
  expect(manifest.scripts).not.toHaveProperty('postinstall');
});

test('one name of a type has one meaning', () => {
  const filesOf = new Map<string, Set<string>>();
  for (const [file, text] of texts) {
    for (const [, name] of text.matchAll(/^(?:export )?(?:abstract )?(?:type|interface|class) (\w+)/gm)) {
      // The two adapters mirror each other, file by file.
      const mirrored = file.replace(/^persistence\/(?:mysql|postgres)\//, 'persistence/*/');
      filesOf.set(name!, (filesOf.get(name!) ?? new Set()).add(mirrored));
    }
  }
  expect(filesOf.size).toBeGreaterThan(200);
  const shared = [...filesOf].filter(([, files]) => files.size > 1).map(([name, files]) => [name, ...files].join(' '));
  expect(shared).toEqual([]);
});

test('the front door only re-exports', () => {
  expect(texts.get('index')).not.toMatch(/^(?!export|\s|\}|\/\/|$)/m);
});

test('no file is too long to be read at once, its docstrings not counted', () => {
  const codeLines = (text: string) => text.split('\n').filter((line) => !/^\s*(\/?\*|\/\/|$)/.test(line)).length;
  expect([...texts].filter(([, text]) => codeLines(text) > 300).map(([file]) => file)).toEqual([]);
});

test('no file of code is longer than 330 lines in all', () => {
  const filesIn = (folder: string): string[] =>
    readdirSync(ROOT + folder, { withFileTypes: true }).flatMap((entry) => {
      if (entry.isDirectory() && entry.name !== 'node_modules') return filesIn(`${folder}/${entry.name}`);
      return entry.isFile() ? [`${folder}/${entry.name}`] : [];
    });
  const files = ['src', 'lua', 'page', 'bench', 'scripts', 'test/support'].flatMap(filesIn);
  const code = files.filter((path) => /\.(?:ts|js|lua|css)$/.test(path));
  expect(code.length).toBeGreaterThan(300);
  const lines = (path: string) =>
    readFileSync(ROOT + path, 'utf8')
      .trimEnd()
      .split('\n').length;
  expect(code.filter((path) => lines(path) > 330)).toEqual([]);
});
