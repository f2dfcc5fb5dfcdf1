import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Pool } from 'pg';
import type { CouponEvent, CouponIssuer, PersistenceAdapter } from '../../src/index.js';
import { blocksOf } from './markdown.js';
import type { Project } from './snippets.js';

export const GUIDE = 'docs/writing-an-adapter.md';

interface Db {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
}

interface TransactionalDb extends Db {
  transaction(work: (db: Db) => Promise<void>): Promise<void>;
}

/** What the guide's files export. */
export interface Files {
  'first-try': { firstTry(db: Db): PersistenceAdapter };
  'second-try': { secondTry(db: Db): PersistenceAdapter };
  vouchers: { vouchers(db: Db): PersistenceAdapter };
  customers: { CustomerCoupons: new (pool: Pool) => PersistenceAdapter & { createTable(): Promise<void> } };
  counted: {
    countedVouchers(db: TransactionalDb): PersistenceAdapter;
    inTransaction(pool: Pool, work: (db: Db) => Promise<void>): Promise<void>;
  };
  exhausted: {
    whenExhausted(db: Db): (event: CouponEvent) => void;
    checkExhausted(db: Db, issuer: CouponIssuer, campaignId: string): Promise<void>;
  };
}

/** The guide as a project: its files written side by side. */
export class Guide {
  readonly dir: string;

  constructor(project: Project) {
    this.dir = project.writeFiles(GUIDE);
  }

  async file<Name extends keyof Files>(name: Name): Promise<Files[Name]> {
    return import(/* @vite-ignore */ pathToFileURL(join(this.dir, `${name}.js`)).href);
  }
}

/** The SQL block that has these words in it. */
export function sqlWith(words: string): string {
  const block = blocksOf(GUIDE).find(({ language, text }) => language === 'sql' && text.includes(words));
  if (!block) throw new Error(`the guide has no SQL with ${words}`);
  return block.text;
}
