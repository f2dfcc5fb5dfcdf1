import { expect } from 'vitest';
import { MisconfiguredError } from '../../../src/index.js';

/** More than the flaws that one column can hide from each other. */
const MOST_ROUNDS = 4;

/** The statements that the error of a check names, as they are printed. Of two ways, the one that is a statement. */
function statementsIn(message: string): string[] {
  const cures = [...message.matchAll(/\(cure: (.*?)\)(?=$|;)/g)].map(([, cure]) => cure!);
  return cures.flatMap(
    (cure) => /\b(ALTER|CREATE|GRANT|INSERT|UPDATE) .*?(?=, or |$)/.exec(cure)?.[0].split('; ') ?? [],
  );
}

/** Runs what the check prints until it finds the table fit, and answers the statements. */
export async function cureAsPrinted(
  adapter: { checkTable(): Promise<unknown> },
  run: (sql: string) => Promise<unknown>,
): Promise<string[]> {
  const printed: string[] = [];
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const error = await adapter.checkTable().then(
      () => null,
      (thrown: unknown) => thrown,
    );
    if (error === null) return printed;
    expect(error).toBeInstanceOf(MisconfiguredError);
    const statements = statementsIn((error as Error).message);
    expect(statements).not.toEqual([]);
    for (const sql of statements) {
      const outcome = await run(sql).then(() => 'ran', String);
      expect([sql, outcome]).toEqual([sql, 'ran']);
      printed.push(sql);
    }
  }
  await expect(adapter.checkTable()).resolves.toEqual({ format: 1 });
  return printed;
}
