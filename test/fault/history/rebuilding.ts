import fc from 'fast-check';
import { CouponIssuerError, type RebuildResult } from '../../../src/index.js';
import { rebuildNamed } from '../../support/scenes/named.js';
import { command, type HistoryCommand } from './command.js';
import type { History, Process } from './history.js';
import { definitionOf, isCounted } from './setting.js';

/** An operator makes the state again, alone or while another one does, because of a loss or for no reason at all. */
export const rebuilding: fc.Arbitrary<HistoryCommand> = fc
  .record({
    process: fc.nat(2),
    rival: fc.constantFrom(null, null, null, null, 0, 1, 2),
    failingLists: fc.constantFrom(0, 0, 0, 1),
  })
  .map(({ process, rival, failingLists }) => {
    const by = rival === null ? `${process}` : `${process} and ${rival}`;
    return command(
      `${by}: rebuild${failingLists > 0 ? ' while the database is down' : ''}`,
      async (history) => {
        history.database.failingLists = failingLists;
        const runs = rival === null ? [process] : [process, rival];
        for (const index of runs) void rebuild(history, history.processes[index]!);
        await history.traffic.quiet();
        history.database.failingLists = 0;
      },
      ({ epochs }) => epochs.size > 0,
    );
  });

/** What an operator would say of the campaign after a loss: the units of now, and at least those that have rows. */
function totalOf({ setting, belief, before, ceiling, larger }: History): number {
  if (!isCounted(setting)) return 0;
  // The total that Redis remembers counts, unless the definition is another one.
  if (larger) return ceiling > belief.opened ? ceiling : belief.opened + 1;
  const last = lastSerial(before.rows);
  if (belief.epoch === '') return Math.max(setting.units, last);
  return before.books.count('total') >= last ? belief.opened : ceiling;
}

function lastSerial(rows: readonly { serial: number }[]): number {
  return rows.reduce((last, { serial }) => Math.max(last, serial), 0);
}

export async function rebuild(history: History, { issuer }: Process): Promise<RebuildResult | null> {
  const { setting, id, forRebuild, recalled, told, lost, mostPerUser } = history;
  history.traffic.injected('rebuilds');
  // Without a loss the definition of the opening is as good as the one of now.
  const definition = definitionOf(setting, id, totalOf(history), lost ? mostPerUser : setting.perUser);
  const codes = [...forRebuild].filter((code) => !recalled.has(code));
  const run = rebuildNamed(issuer, definition, setting.stock === 'codes' ? { codes } : {});
  const outcome = await run.catch((error: Error) => error);
  told.log.push(outcome instanceof Error ? `rebuild: ${outcome}` : `rebuild: ${JSON.stringify(outcome)}`);
  if (outcome instanceof Error) {
    if (!(outcome instanceof CouponIssuerError)) told.violations.push(`rebuild failed with ${outcome.stack}`);
    history.larger ||= outcome.message.includes('a larger total');
    return null;
  }
  if (!lost && outcome.lost.length > 0) told.violations.push('a rebuild without a loss found no unit for somebody');
  return outcome;
}
