import fc from 'fast-check';
import { CouponIssuerError } from '../../../src/index.js';
import { openNamed } from '../../support/scenes/named.js';
import { command, type HistoryCommand, mustRefuse } from './command.js';
import type { History, Process } from './history.js';
import { definitionOf, isCounted } from './setting.js';

export const opened = ({ belief }: Readonly<History>) => belief.epoch !== '';

/** Does it again until an answer comes, as an operator would; only a lost reply is worth another try. */
export async function insist<T>(act: () => Promise<T>): Promise<T | CouponIssuerError> {
  for (;;) {
    const outcome = await act().catch((error: unknown) => error as Error);
    if (!(outcome instanceof Error)) return outcome;
    if (!(outcome instanceof CouponIssuerError)) throw outcome;
    if (outcome.code !== 'REDIS') return outcome;
  }
}

/** An operator's act on a campaign that serves: it is refused for the reason there is, or done. */
export function administer(
  words: string,
  index: number,
  act: (history: History, process: Process) => Promise<{ outcome: unknown; done: () => void; refused?: string }>,
  possible: (history: Readonly<History>) => boolean = opened,
): HistoryCommand {
  return command(
    `${index}: ${words}`,
    async (history) => {
      const process = history.processes[index]!;
      const unready = mustRefuse(history, process);
      const { outcome, done, refused } = await act(history, process);
      const code = outcome instanceof CouponIssuerError ? outcome.code : 'done';
      const { state } = history.before.books;
      const expected = refused ?? 'done';
      if (code === 'done') done();
      const allowed = unready || history.trust === 'behind' ? UNREADY : [expected];
      if (unready && state !== 'serving' && code === 'done') throw new Error(`${words} was done without a campaign`);
      if (!allowed.includes(code) && code !== expected)
        throw new Error(`${words}: ${code}, not ${expected}: ${outcome}`);
    },
    possible,
  );
}

const UNREADY = ['NOT_READY', 'UNKNOWN_CAMPAIGN', 'CAMPAIGN_CONFLICT', 'done'];

export function open(process: number): HistoryCommand {
  return command(`${process}: open`, async (history) => {
    const { setting, id, belief, before } = history;
    const definition = definitionOf(setting, id, opened(history) ? belief.opened : setting.units);
    const outcome = await insist(() => openNamed(history.processes[process]!.issuer, definition));
    const fresh = before.books.state === 'none' && before.rows.length === 0;
    if (fresh && outcome instanceof Error && !history.lost) throw outcome;
  });
}

export const opening: fc.Arbitrary<HistoryCommand> = fc.nat(2).map(open);

export const pausing: fc.Arbitrary<HistoryCommand> = fc
  .record({ process: fc.nat(2), paused: fc.constantFrom(false, false, true) })
  .map(({ process, paused }) =>
    administer(paused ? 'pause' : 'resume', process, async (history, { issuer }) => ({
      outcome: await insist(() =>
        paused ? issuer.campaign(history.id).pause() : issuer.campaign(history.id).resume(),
      ),
      done: () => {
        history.belief.paused = paused;
      },
      ...(history.belief.closed && { refused: 'CAMPAIGN_CONFLICT' }),
    })),
  );

/** Not too early: a campaign that is closed has little left to go wrong. */
export const closing: fc.Arbitrary<HistoryCommand> = fc.nat(2).map((process) =>
  administer(
    'close',
    process,
    async (history, { issuer }) => ({
      outcome: await insist(() => issuer.campaign(history.id).closeForGood()),
      done: () => {
        history.belief.closed = true;
      },
    }),
    (history) => opened(history) && history.told.attempts.size > 12,
  ),
);

/** More units, or fewer; sometimes a change of before under its request id. */
export const restocking: fc.Arbitrary<HistoryCommand> = fc
  .record({ process: fc.nat(2), add: fc.integer({ min: -4, max: 3 }), request: fc.nat(3) })
  .map(({ process, add, request }) =>
    administer(
      `restock by ${add} under ${request}`,
      process,
      async (history, { issuer }) => {
        const { belief, before } = history;
        const requestId = String(request);
        const made = belief.restocks.get(requestId);
        const outcome = await insist(() => issuer.campaign(history.id).restock({ add, requestId }));
        const possible = made === undefined ? !belief.closed && before.books.available + add >= 0 : made === add;
        return {
          outcome,
          done: () => {
            if (made !== undefined) return;
            belief.restocks = new Map(belief.restocks).set(requestId, add);
            belief.total += add;
          },
          ...(!possible && { refused: 'CAMPAIGN_CONFLICT' }),
        };
      },
      (history) => opened(history) && isCounted(history.setting),
    ),
  );

const codeOf = (number: number) => `CODE-${number}`;

/** Codes of a list, which overlaps with others. */
export function load(process: number, first: number, count: number): HistoryCommand {
  return administer(
    `load codes ${first} to ${first + count - 1}`,
    process,
    async (history, { issuer }) => {
      const numbers = Array.from({ length: count }, (_, i) => first + i);
      const list = numbers.filter((number) => !history.recalled.has(codeOf(number)));
      const codes = list.map(codeOf);
      for (const code of codes) history.loaded.add(code);
      const loadId = list.join() || 'nothing';
      const outcome = await insist(() => issuer.campaign(history.id).loadCodes(codes, { loadId }));
      return {
        outcome,
        done: () => {
          for (const code of codes) history.forRebuild.add(code);
        },
        ...(history.belief.closed && { refused: 'CAMPAIGN_CONFLICT' }),
      };
    },
    (history) => opened(history) && history.setting.stock === 'codes',
  );
}

export const loading: fc.Arbitrary<HistoryCommand> = fc
  .tuple(fc.nat(2), fc.nat(20), fc.integer({ min: 1, max: 5 }))
  .map(([process, first, count]) => load(process, first, count));
