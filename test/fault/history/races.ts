import fc from 'fast-check';
import { copy, goingOn, mislay } from './accidents.js';
import { ask, type Call, type Moods, moods, oneCall } from './callers.js';
import { command, type HistoryCommand } from './command.js';
import type { History } from './history.js';
import { rebuilding } from './rebuilding.js';
import { settleOnce } from './settlers.js';
import type { Ending, Held } from './traffic.js';
import type { FatedCall } from './wire.js';

/** How somebody is slow, or is left with something that goes its own way. */
interface Slow {
  readonly mood: Moods;
  readonly fates: readonly FatedCall[];
}

const NOTHING: Moods = { saves: [], deliveries: [] };
const HELD: Moods = { saves: ['held'], deliveries: [] };
const REFUSED: Moods = { saves: ['refused'], deliveries: [] };
const IN_DOUBT: Moods = { saves: ['lost', 'lost'], deliveries: [] };
const DONE_IN_DOUBT: Moods = { saves: ['done and lost', 'done and lost'], deliveries: [] };

const slowly: fc.Arbitrary<Slow> = fc.constantFrom<Slow>(
  { mood: HELD, fates: [] },
  { mood: HELD, fates: [] },
  { mood: { saves: ['lost', 'held'], deliveries: [] }, fates: [] },
  { mood: { saves: [], deliveries: ['held'] }, fates: [] },
  { mood: IN_DOUBT, fates: [] },
  { mood: NOTHING, fates: [{ script: 'confirm', fate: 'held' }] },
  { mood: REFUSED, fates: [{ script: 'release', fate: 'held' }] },
  { mood: REFUSED, fates: [{ script: 'release', fate: 'again' }] },
  { mood: REFUSED, fates: [{ script: 'reserve', fate: 'twice' }] },
  { mood: REFUSED, fates: [{ script: 'reserve', fate: 'again' }] },
);

const process = fc.nat(2);
const rivalMood = fc.oneof(moods, fc.constantFrom(REFUSED, IN_DOUBT, DONE_IN_DOUBT, HELD, NOTHING));
const resent = fc.constantFrom<readonly FatedCall[]>([], [], [{ script: 'reserve', fate: 'twice' }]);

const slowRebuild = fc
  .tuple(fc.constantFrom('keep-promised', 'rebuild-rows', 'finish-rebuild'), rebuilding)
  .map(([script, rebuild]) => inOrder([mislay({ script, fate: 'held' }), rebuild]));

/** What others do meanwhile with what the slow one holds. */
const rivals = (call: Call): fc.Arbitrary<HistoryCommand> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.tuple(process, rivalMood).map(([by, mood]) => settleOnce(by, true, mood)) },
    {
      weight: 3,
      arbitrary: fc
        .tuple(process, resent, rivalMood)
        .map(([by, fates, mood]) => inOrder([...fates.map(mislay), ask([{ ...call, process: by }], mood)])),
    },
    { weight: 1, arbitrary: fc.constantFrom(copy('reserve', 0), copy('reserve', 1), copy('release', 0)) },
    { weight: 1, arbitrary: fc.oneof(rebuilding, slowRebuild) },
    { weight: 1, arbitrary: goingOn },
  );

/** The fence put to the test: somebody is slow, is overtaken, and goes on as if nothing had happened. */
export const racing: fc.Arbitrary<HistoryCommand> = fc
  .record({
    call: oneCall,
    slow: slowly,
    ending: fc.constantFrom<Ending>('done', 'done', 'refused', 'refused', 'lost', 'done and lost'),
  })
  .chain(({ call, slow, ending }) =>
    fc.array(rivals(call), { minLength: 1, maxLength: 3 }).map((others) => race(call, slow, others, ending)),
  );

function race(call: Call, { mood, fates }: Slow, others: readonly HistoryCommand[], ending: Ending): HistoryCommand {
  const start = [...fates.map(mislay), ask([call], mood)];
  return {
    check: () => true,
    run: async (_, history: History) => {
      const before = history.traffic.held.length;
      await inOrder(start).run(history, history);
      const held = history.traffic.held[before];
      await inOrder([...others, resume(held, ending)]).run(history, history);
    },
    toString: () => `(${[...start, ...others].join('; ')}; then what was held is ${ending})`,
  };
}

function resume(slow: Held | undefined, ending: Ending): HistoryCommand {
  return command(
    `what was held first is ${ending}`,
    async ({ traffic }) => {
      traffic.held.splice(traffic.held.indexOf(slow!), 1);
      slow!.goOn(ending);
    },
    ({ traffic }) => slow !== undefined && traffic.held.includes(slow),
  );
}

function inOrder(commands: readonly HistoryCommand[]): HistoryCommand {
  return {
    check: () => true,
    run: async (_, history: History) => {
      for (const one of commands) {
        if (one.check(history)) await one.run(history, history);
      }
    },
    toString: () => commands.join('; '),
  };
}
