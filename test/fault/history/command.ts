import type fc from 'fast-check';
import { audit } from './audit.js';
import type { History } from './history.js';

/** One thing that happens in a history. The model and the real thing are one: what users were told, and what they were told it by. */
export type HistoryCommand = fc.AsyncCommand<History, History>;

/** What happens, in words that say all of it; it ends when nothing moves any more, and is audited. */
export function command(
  words: string,
  happens: (history: History) => Promise<unknown>,
  possible: (history: Readonly<History>) => boolean = () => true,
): HistoryCommand {
  return {
    check: (history) => possible(history),
    run: async (_, history) => {
      history.told.log.push(`— ${words}`);
      await happens(history);
      await history.traffic.quiet();
      await audit(history);
    },
    toString: () => words,
  };
}

/** The state that a process may act on is not there. */
export function mustRefuse(history: History, { wire }: History['processes'][number]): boolean {
  const { books } = history.before;
  if (books.state !== 'serving' || history.belief.partial.length > 0) return true;
  if (wire.epoch === null) return false;
  if (generationOf(wire.epoch) > generationOf(books.epoch)) return true;
  return wire.epoch === books.epoch && wire.stamp > books.stamp;
}

function generationOf(epoch: string): number {
  return Number.parseInt(epoch, 10);
}
