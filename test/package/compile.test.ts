import { createRequire } from 'node:module';
import { join } from 'node:path';
import type typescript from 'typescript';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ENTRIES, IMPORTS, Installed, ROOT } from './installed.js';

const load = (name: string): typeof typescript => createRequire(import.meta.url)(name);
const COMPILERS = { 'TypeScript 5.0': load('typescript-5.0'), 'TypeScript 6': load('typescript') };

let installed: Installed;
beforeAll(async () => {
  installed = await Installed.create();
});
afterAll(() => installed?.remove());

/**
 * Nest 12 is a package of ES modules, and `node16` lets no CommonJS file import one, though Node does. A user of Nest 11,
 * or of `module: nodenext`, meets no such rule.
 */
const importsOf = (file: string) =>
  file.endsWith('.cts') ? IMPORTS.filter((name) => !name.endsWith('/nestjs')) : IMPORTS;

const useOf = (
  imports: readonly string[],
) => `${imports.map((name, i) => `import * as entry${i} from '${name}';`).join('\n')}
import { CouponIssuer, httpStatus, type CampaignDefinition, type CouponIssuerOptions, type IssueRequest, type WorkerOptions } from 'coupon-issuer';
import { PostgresPersistence } from 'coupon-issuer/postgres';
import { Redis } from 'ioredis';
import { Pool } from 'pg';

export const entries: object[] = [${imports.map((_, i) => `entry${i}`).join(', ')}];
const { MAX_TRIES } = process.env;
const options: CouponIssuerOptions = {
  redis: new Redis(),
  persistence: new PostgresPersistence(new Pool(), { table: undefined, prepare: undefined }),
  deliver: undefined,
  onEvent: undefined,
  maxTries: MAX_TRIES === undefined ? undefined : Number(MAX_TRIES),
};
const worker: WorkerOptions = { campaigns: undefined, signal: undefined };
const definition: CampaignDefinition = { stock: { kind: 'counted', total: 1, generateCodes: undefined }, closesAt: undefined };
export async function use(request: IssueRequest) {
  const issuer = new CouponIssuer(options);
  issuer.startWorker(worker);
  const campaign = issuer.campaign('c');
  await campaign.open(definition, { skipRowCheck: undefined });
  const result = await campaign.issue({ ...request, signal: undefined });
  const code: 200 | 201 | 202 | 400 | 403 | 404 | 409 | 410 | 500 | 503 = httpStatus(result);
  // @ts-expect-error there is no such status
  const wrong: 418 = httpStatus(result);
  return [code, wrong];
}
`;

/** The faults of a user's file and of our own declarations; those of other packages are theirs. */
function faultsUnder(ts: typeof typescript, file: string, options: typescript.CompilerOptions): string[] {
  const path = installed.write(file, useOf(importsOf(file)));
  const program = ts.createProgram([path], {
    ...{ strict: true, exactOptionalPropertyTypes: true, noEmit: true, types: ['node'] },
    ...{ target: ts.ScriptTarget.ES2022, lib: ['lib.es2022.d.ts'], esModuleInterop: true },
    ...{ typeRoots: [join(installed.dir, 'node_modules/@types')], ...options },
  });
  const ours = program
    .getSourceFiles()
    .filter(({ fileName }) => /coupon-issuer\/dist\/|coupon-package-/.test(fileName));
  expect(ours.length).toBeGreaterThan(ENTRIES.length);
  const faults = ours.flatMap((one) => [
    ...program.getSyntacticDiagnostics(one),
    ...program.getSemanticDiagnostics(one),
  ]);
  return [...program.getOptionsDiagnostics(), ...faults].map(({ messageText, file: at }) => {
    return `${at?.fileName.replace(installed.dir, '') ?? ''} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
}

describe.each(Object.entries(COMPILERS))('a user of %s finds the types of every entry, and compiles', (name, ts) => {
  const { ModuleKind, ModuleResolutionKind } = ts;
  const deprecated = name === 'TypeScript 6' ? { ignoreDeprecations: '6.0' } : {};
  const node10 = ModuleResolutionKind.NodeJs ?? ModuleResolutionKind.Node10;
  test.each([
    ['moduleResolution node', 'use10.ts', { module: ModuleKind.CommonJS, moduleResolution: node10, ...deprecated }],
    ['node16 as ESM', 'use16.mts', { module: ModuleKind.Node16, moduleResolution: ModuleResolutionKind.Node16 }],
    ['node16 as CommonJS', 'use16.cts', { module: ModuleKind.Node16, moduleResolution: ModuleResolutionKind.Node16 }],
    ['a bundler', 'bundled.ts', { module: ModuleKind.ESNext, moduleResolution: ModuleResolutionKind.Bundler }],
  ] as const)('under %s', (_, file, options) => {
    expect(faultsUnder(ts, file, options)).toEqual([]);
  });
});

test('package.json leads moduleResolution node to the declarations of every entry', () => {
  const { typesVersions } = createRequire(import.meta.url)(join(ROOT, 'package.json'));
  const expected = ENTRIES.filter((entry) => entry !== '.').map((entry) => {
    const name = entry.slice(2);
    return [name, [`./dist/${name}.d.cts`]];
  });
  expect(typesVersions).toEqual({ '*': Object.fromEntries(expected) });
});
