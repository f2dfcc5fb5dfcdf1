import {
  type Issuance,
  MemoryPersistence,
  NotSavedError,
  type PersistenceAdapter,
  type SaveVerdict,
} from '../../../src/index.js';
import { PostgresPersistence } from '../../../src/persistence/postgres/index.js';
import { type Database, rowsOf } from '../servers/database.js';
import type { Row } from './invariants.js';
import { seeded } from './random.js';

/** A database as the issuers use it, and its rows as the test reads them. */
export interface Book extends PersistenceAdapter {
  rows(campaignId: string): Promise<readonly Row[]>;
}

export async function postgresBook(database: Database): Promise<Book> {
  const adapter = new PostgresPersistence(database.pool);
  await adapter.createTable();
  return bookOf(adapter, (campaignId) => rowsOf(database, campaignId));
}

export function memoryBook(): Book {
  const adapter = new MemoryPersistence();
  return bookOf(adapter, (campaignId) => adapter.list(campaignId, { afterSerial: 0, limit: Number.MAX_SAFE_INTEGER }));
}

function bookOf(
  adapter: Required<Pick<PersistenceAdapter, 'save' | 'list' | 'find' | 'look' | 'change'>>,
  rows: Book['rows'],
): Book {
  return {
    save: (issuances, options) => adapter.save(issuances, options),
    list: (campaignId, options) => adapter.list(campaignId, options),
    find: (issuances) => adapter.find(issuances),
    look: (refs, options) => adapter.look(refs, options),
    change: (changes, options) => adapter.change(changes, options),
    rows,
  };
}

/** The same, but a share of its saves fails: a third for certain, the others leave the caller in doubt, before or after they stored. */
export function unreliable(book: Book, seed: number, share = 0.03): Book & { readonly failed: number } {
  const random = seeded(seed);
  let failed = 0;
  const save = async (
    issuances: readonly Issuance[],
    options: { signal: AbortSignal },
  ): Promise<readonly SaveVerdict[]> => {
    const draw = random();
    if (draw < share) failed++;
    if (draw < share / 3) throw new NotSavedError('the test says so', { wholeBatch: random() < 0.5 });
    if (draw < (2 * share) / 3) throw new Error('the connection is gone');
    const verdicts = await book.save(issuances, options);
    if (draw < share) throw new Error('the reply is lost');
    return verdicts;
  };
  return {
    ...book,
    save,
    get failed() {
      return failed;
    },
  };
}
