import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';
import { type Block, blocksOf, fileOf, ROOT } from './markdown.js';

/** What a fragment may take as given: a reader knows it from the page around it. */
const GIVEN = `
import type * as main from 'coupon-issuer';
import type * as mysql from 'coupon-issuer/mysql';
import type * as postgres from 'coupon-issuer/postgres';
import type * as testing from 'coupon-issuer/testing';
import type * as ioredis from 'ioredis';
import type * as mysql2 from 'mysql2/promise';
import type * as pg from 'pg';
declare global {
  const CouponIssuer: typeof main.CouponIssuer;
  const MemoryPersistence: typeof main.MemoryPersistence;
  const PostgresPersistence: typeof postgres.PostgresPersistence;
  const MysqlPersistence: typeof mysql.MysqlPersistence;
  const createPool: typeof mysql2.createPool;
  const persistenceContract: typeof testing.persistenceContract;
  const test: { (name: string, run: () => Promise<void>): void; skip: (name: string, run: () => Promise<void>) => void };
  const afterAll: (run: () => Promise<void>) => void;
  const createTableSql: typeof postgres.createTableSql;
  const generateCodes: typeof main.generateCodes;
  const isValidCode: typeof main.isValidCode;
  const httpStatus: typeof main.httpStatus;
  const Redis: typeof ioredis.Redis;
  const Pool: typeof pg.Pool;
  const redis: ioredis.Redis;
  const pool: pg.Pool;
  const persistence: main.PersistenceAdapter;
  const issuer: main.CouponIssuer;
  const launch: main.Campaign;
  const myCoupons: (pool: pg.Pool) => main.PersistenceAdapter;
  const user: { id: number };
  const userId: string;
  const code: string;
  const orderId: string;
  const response: { status(code: number): typeof response; json(body: unknown): void };
}
`;

/** What is not a block is parsed once. */
const parsed = new Map<string, ts.SourceFile>();

/**
 * Compiles each block as a module of its own, against the sources, or against those that `paths` names. Answers the faults
 * of each, in the order of the blocks.
 */
export function faultsOf(
  blocks: readonly Block[],
  options: { given: boolean; paths?: Record<string, string[]> },
): string[][] {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile);
  const compilerOptions: ts.CompilerOptions = {
    ...ts.convertCompilerOptionsFromJson(config.compilerOptions, ROOT).options,
    noUnusedLocals: false,
    // The decorators of NestJS.
    experimentalDecorators: true,
    paths: {
      'coupon-issuer': [join(ROOT, 'src/index.ts')],
      'coupon-issuer/csv': [join(ROOT, 'src/csv/index.ts')],
      'coupon-issuer/fastify': [join(ROOT, 'src/fastify/index.ts')],
      'coupon-issuer/opentelemetry': [join(ROOT, 'src/opentelemetry/index.ts')],
      'coupon-issuer/prometheus': [join(ROOT, 'src/prometheus/index.ts')],
      'coupon-issuer/nestjs': [join(ROOT, 'src/nestjs/index.ts')],
      'coupon-issuer/mysql': [join(ROOT, 'src/persistence/mysql/index.ts')],
      'coupon-issuer/postgres': [join(ROOT, 'src/persistence/postgres/index.ts')],
      'coupon-issuer/web': [join(ROOT, 'src/web/index.ts')],
      'coupon-issuer/dashboard': [join(ROOT, 'src/dashboard/index.ts')],
      'coupon-issuer/testing': [join(ROOT, 'src/testing/index.ts')],
      ...options.paths,
    },
  };
  const pathOf = (block: Block, i: number) => join(ROOT, 'test/docs', fileOf(block) ?? `block-${i}.ts`);
  const files = new Map(blocks.map((block, i) => [pathOf(block, i), `${block.text}\nexport {};\n`]));
  if (options.given) files.set(join(ROOT, 'test/docs/given.ts'), GIVEN);
  const host = ts.createCompilerHost(compilerOptions);
  const { fileExists, readFile } = host;
  host.fileExists = (path) => files.has(path) || fileExists(path);
  host.readFile = (path) => files.get(path) ?? readFile(path);
  host.getSourceFile = (path, target) => {
    const cached = files.has(path) ? undefined : parsed.get(path);
    if (cached) return cached;
    const text = host.readFile(path);
    if (text === undefined) return undefined;
    const source = ts.createSourceFile(path, text, target, true);
    if (!files.has(path)) parsed.set(path, source);
    return source;
  };
  const program = ts.createProgram([...files.keys(), join(ROOT, 'src/lua.d.ts')], compilerOptions, host);
  const describe = (one: ts.Diagnostic) => {
    const line = one.file?.getLineAndCharacterOfPosition(one.start ?? 0).line ?? 0;
    return `line ${line + 1}: ${ts.flattenDiagnosticMessageText(one.messageText, ' ')}`;
  };
  return [...files.keys()].slice(0, blocks.length).map((path) => {
    const file = program.getSourceFile(path);
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(describe);
  });
}

function toJavaScript(block: Block): string {
  return ts.transpileModule(block.text, {
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      experimentalDecorators: true,
    },
  }).outputText;
}

const PACKAGES = [
  ...['@electric-sql/pglite', '@opentelemetry/instrumentation-ioredis'],
  ...['@nestjs/common', '@nestjs/core', '@opentelemetry/api', 'fastify', 'ioredis', 'ioredis-mock', 'mysql2', 'pg'],
  ...['prom-client', 'vitest'],
];

/** A project of a user's own: a folder with the built package and its peers installed. */
export class Project {
  readonly #dir = mkdtempSync(join(tmpdir(), 'coupon-docs-'));

  constructor() {
    if (!existsSync(join(ROOT, 'dist/index.js'))) throw new Error('the package is not built: npm run build');
    mkdirSync(join(this.#dir, 'node_modules'));
    symlinkSync(ROOT, join(this.#dir, 'node_modules/coupon-issuer'));
    for (const name of PACKAGES) {
      const place = join(this.#dir, 'node_modules', name);
      mkdirSync(dirname(place), { recursive: true });
      symlinkSync(join(ROOT, 'node_modules', name), place);
    }
  }

  /** Writes the block as a module and answers its path. */
  write(block: Block): string {
    const file = join(this.#dir, `${block.name.replace(/\W+/g, '-')}.mjs`);
    writeFileSync(file, toJavaScript(block));
    return file;
  }

  /** Writes those blocks of a page that are files, side by side, and answers their folder. */
  writeFiles(page: string): string {
    const dir = join(this.#dir, page.replace(/\W+/g, '-'));
    mkdirSync(dir);
    writeFileSync(join(dir, 'package.json'), '{ "type": "module" }');
    for (const block of blocksOf(page)) {
      const file = fileOf(block);
      if (file) writeFileSync(join(dir, file.replace(/\.ts$/, '.js')), toJavaScript(block));
    }
    return dir;
  }

  /** Runs the block in a process of its own and answers what it printed. Rejects unless it ends with 0. */
  async run(block: Block, env: Record<string, string>): Promise<string> {
    const { stdout } = await promisify(execFile)(process.execPath, [this.write(block)], {
      cwd: this.#dir,
      env: { ...process.env, ...env },
      timeout: 30_000,
    });
    return stdout;
  }

  remove(): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
