import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { CouponIssuer } from '../issuer.js';
import { MisconfiguredError } from '../model/errors.js';
import { messageOf } from '../model/foreign.js';
import { connectByUrls } from './clients.js';
import { codeOf, UsageError } from './faults.js';
import type { CliWorld } from './world.js';

/** An issuer for one run of the command. */
export interface Wiring {
  readonly issuer: CouponIssuer;
  /** `null`: the program of the config owns the table. */
  readonly createTable: (() => Promise<unknown>) | null;
  /** The same error; where the way the issuer was made is the reason, it says so. */
  readonly explained: (error: unknown) => unknown;
  /** Ends the issuer, then the clients that belong to it. */
  readonly close: () => Promise<void>;
}

const CONFIGS = ['coupon-issuer.config.js', 'coupon-issuer.config.mjs', 'coupon-issuer.config.ts'];
const HOOKS =
  'REDIS_URL and DATABASE_URL make an issuer without hooks, on the default table: export yours from coupon-issuer.config.js';

/** The issuer of a config, if there is one, or of the URLs. Throws `UsageError` if there is neither. */
export async function connect(world: CliWorld, config: string | undefined): Promise<Wiring> {
  const path = config === undefined ? foundConfig(world) : givenConfig(world, config);
  if (path !== null) return byConfig(path);
  const { REDIS_URL, DATABASE_URL } = world.env;
  if (!REDIS_URL) {
    const missing = DATABASE_URL ? 'REDIS_URL is missing' : 'there is no issuer';
    throw new UsageError(
      `${missing}: set REDIS_URL, and DATABASE_URL, or add a coupon-issuer.config.js to this folder`,
    );
  }
  const { issuer, persistence, close } = await connectByUrls(world, { redis: REDIS_URL, database: DATABASE_URL });
  const createTable = persistence ? () => persistence.createTable() : null;
  return { issuer, createTable, explained, close };
}

function explained(error: unknown): unknown {
  const isOfHooks = codeOf(error) === 'MISCONFIGURED' && messageOf(error).includes(' was opened with ');
  return isOfHooks ? new MisconfiguredError(`${messageOf(error)}. ${HOOKS}`) : error;
}

function foundConfig({ cwd }: CliWorld): string | null {
  return CONFIGS.map((name) => join(cwd, name)).find(isFile) ?? null;
}

function givenConfig({ cwd }: CliWorld, config: string): string {
  const path = resolve(cwd, config);
  if (!isFile(path)) throw new UsageError('--config names no file');
  return path;
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

async function byConfig(path: string): Promise<Wiring> {
  if (/\.[cm]?ts$/.test(path) && !('typescript' in process.features && process.features.typescript)) {
    throw new UsageError(
      'this Node does not read TypeScript: write the config in JavaScript, or use Node 22.18 or newer',
    );
  }
  const module = (await import(pathToFileURL(path).href)) as { default?: unknown };
  const made: unknown = typeof module.default === 'function' ? await module.default() : module.default;
  const { issuer, close } = partsOf(made);
  return {
    issuer,
    createTable: null,
    explained: (error) => error,
    close: async () => {
      await issuer.close();
      await close?.();
    },
  };
}

/** An issuer, or an issuer and the function that closes its clients. By shape, because it may come from another copy. */
function partsOf(made: unknown): { readonly issuer: CouponIssuer; readonly close?: (() => unknown) | undefined } {
  if (isIssuer(made)) return { issuer: made };
  const { issuer, close } = (made ?? {}) as { issuer?: unknown; close?: () => unknown };
  if (isIssuer(issuer)) return { issuer, close: typeof close === 'function' ? close : undefined };
  throw new UsageError(
    'the default export of the config must be an issuer, { issuer, close }, or a function that makes one',
  );
}

function isIssuer(value: unknown): value is CouponIssuer {
  const { campaign, startWorker } = (value ?? {}) as { campaign?: unknown; startWorker?: unknown };
  return typeof campaign === 'function' && typeof startWorker === 'function';
}
