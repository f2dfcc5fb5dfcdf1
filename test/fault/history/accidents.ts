import fc from 'fast-check';
import { campaignKeys } from '../../../src/redis/keys.js';
import { totalOf } from './audit.js';
import { emptyBelief } from './belief.js';
import { POISONED } from './callers.js';
import { command, type HistoryCommand } from './command.js';
import type { Copy, History } from './history.js';
import { ENDINGS } from './traffic.js';
import type { Fate, FatedCall } from './wire.js';

const LOST: readonly Fate[] = ['lost', 'done and lost', 'twice'];
const HELD: readonly Fate[] = ['held', 'held', 'again'];
/** What may become of a call of each script. Nobody waits for what is held, so only what nobody waits for may be. */
const FATES: readonly (readonly [scripts: readonly string[], often: number, fates: readonly Fate[]])[] = [
  [['reserve', 'confirm', 'release', 'claim-due'], 6, [...LOST, ...HELD]],
  [['postpone', 'reassign', 'adopt-row'], 2, [...LOST, ...HELD]],
  [['announce-revoke', 'take-back', 'drop-announced'], 2, [...LOST, ...HELD]],
  [['begin-rebuild', 'keep-promised', 'rebuild-rows', 'rebuild-codes', 'finish-rebuild'], 1, [...LOST, ...HELD]],
  [['load-codes', 'withdraw', 'restock', 'set-paused', 'close-campaign', 'open-campaign'], 1, LOST],
  [['set-pace', 'update-campaign', 'replace-code'], 1, LOST],
];

const fates = FATES.flatMap(([scripts, often, fates]) =>
  scripts.map((script) => ({
    weight: often,
    arbitrary: fc.constantFrom(...fates).map((fate): FatedCall => ({ script, fate })),
  })),
);

export function mislay({ script, fate }: FatedCall): HistoryCommand {
  return command(`the next ${script} is ${fate}`, async ({ traffic }) => {
    traffic.fates.push({ script, fate });
  });
}

export const mislaying: fc.Arbitrary<HistoryCommand> = fc.oneof(...fates).map(mislay);

/** A copy of an earlier call arrives, whether its process lives or not. */
export function copy(script: string, back: number): HistoryCommand {
  const found = ({ traffic }: Readonly<History>) => traffic.calls.filter(({ name }) => name === script).at(-1 - back);
  return command(
    `a copy of ${script} -${back} arrives`,
    async (history) => {
      history.traffic.injected('late copies');
      const reply = await found(history)!
        .run()
        .catch((error: unknown) => String(error));
      history.told.log.push(`${script}: ${JSON.stringify(reply)}`);
      if (history.trust === 'behind' && CHANGES.includes(script)) await noteChanges(history);
    },
    (history) => found(history) !== undefined,
  );
}

const CHANGES: readonly string[] = ['restock', 'update-campaign', 'set-pace'];

/** Redis had forgotten the change and its request id, so the copy made it once more, as the operator wanted it. */
async function noteChanges(history: History): Promise<void> {
  const books = await history.books();
  const { belief } = history;
  if (books.epoch !== belief.epoch) return;
  const restocks = new Map([...books.changes('restock')].map(([id, add]) => [id, Number(add)]));
  const total = totalOf(books);
  const changed = { restocks, total, updates: books.changes('update'), rules: books.rules };
  history.belief = { ...belief, ...changed };
}

const COPIED = ['reserve', 'reserve', 'reserve', 'release', 'release', 'confirm', 'claim-due', 'adopt-row', 'reassign'];
const ALSO_COPIED = [
  'postpone',
  'withdraw',
  'restock',
  'update-campaign',
  'set-pace',
  'replace-code',
  'load-codes',
  'begin-rebuild',
  'rebuild-rows',
  'rebuild-codes',
  'finish-rebuild',
  'announce-revoke',
  'take-back',
  'drop-announced',
];

export const copying: fc.Arbitrary<HistoryCommand> = fc
  .tuple(fc.constantFrom(...COPIED, ...ALSO_COPIED), fc.nat(4))
  .map(([script, back]) => copy(script, back));

export const goingOn: fc.Arbitrary<HistoryCommand> = fc
  .record({ index: fc.nat(3), ending: fc.constantFrom(...ENDINGS) })
  .map(({ index, ending }) =>
    command(
      `held call ${index} is ${ending}`,
      async ({ traffic, told }) => {
        const [held] = traffic.held.splice(index, 1);
        told.log.push(`${held!.what} goes on`);
        held!.goOn(ending);
      },
      ({ traffic }) => traffic.held.length > index,
    ),
  );

export const landing: fc.Arbitrary<HistoryCommand> = fc.nat(2).map((index) =>
  command(
    `lost save ${index} lands`,
    ({ database }) => database.land(index),
    ({ database }) => database.landing.length > index,
  ),
);

export const crashing: fc.Arbitrary<HistoryCommand> = fc
  .nat(2)
  .map((process) => command(`${process}: dies, another comes`, async (history) => kill(history, process)));

function kill(history: History, process: number): void {
  history.traffic.injected('killed processes');
  history.crash(process);
}

export const poisoning: fc.Arbitrary<HistoryCommand> = fc.boolean().map((poisoned) =>
  command(poisoned ? `${POISONED} cannot be saved` : `${POISONED} can be saved`, async ({ database }) => {
    database.poison = poisoned ? POISONED : null;
  }),
);

/** In half of the histories Redis keeps its data, so that everything promised while it does is put to the test. */
const mayLose = ({ setting }: Readonly<History>) => setting.loses;

async function loseEverything(history: History, fault: string, by: () => Promise<unknown>): Promise<void> {
  history.traffic.injected(fault);
  await by();
  if (history.before.books.state !== 'none') history.lose();
  history.belief = emptyBelief();
}

export const emptying: fc.Arbitrary<HistoryCommand> = fc.constant(
  command('FLUSHALL', (history) => loseEverything(history, 'FLUSHALL', () => history.ground.redis.flushall()), mayLose),
);

export const restartingEmpty: fc.Arbitrary<HistoryCommand> = fc.constant(
  command(
    'Redis is killed and starts empty',
    (history) => loseEverything(history, 'empty restarts of Redis', () => history.ground.restart('lost')),
    mayLose,
  ),
);

export const restarting: fc.Arbitrary<HistoryCommand> = fc.constant(
  command('Redis is killed and starts again', ({ ground, traffic }) => {
    traffic.injected('restarts of Redis');
    return ground.restart('kept');
  }),
);

export const forgettingScripts: fc.Arbitrary<HistoryCommand> = fc.constant(
  command('SCRIPT FLUSH', ({ ground, traffic }) => {
    traffic.injected('SCRIPT FLUSH');
    return ground.redis.script('FLUSH');
  }),
);

const LOSABLE = ['campaign', 'grants', 'senders', 'leases', 'returned', 'pool'] as const;

export const losingAKey: fc.Arbitrary<HistoryCommand> = fc.constantFrom(...LOSABLE).map((name) =>
  command(
    `the key ${name} is lost`,
    async (history) => {
      const there = await history.ground.redis.del(campaignKeys('coupon', history.id)[name]);
      if (there === 0) return;
      history.traffic.injected('lost keys');
      history.lose();
      if (name === 'campaign') history.belief = emptyBelief();
      else history.belief.partial = [...history.belief.partial, name];
    },
    (history) => mayLose(history) && history.belief.serving,
  ),
);

/** An older copy takes the place of what there is; processes that come later know of nothing newer. */
export const puttingBack: fc.Arbitrary<HistoryCommand> = fc
  .record({ back: fc.integer({ min: 1, max: 9 }), restarted: fc.boolean() })
  .map(({ back, restarted }) =>
    command(
      `a copy of ${back} commands ago is put back${restarted ? ', and every process dies' : ''}`,
      async (history) => {
        const { keys, belief, strays } = history.copies.at(-1 - back)!;
        const { redis } = history.ground;
        await redis.flushall();
        for (const [name, value] of keys) await redis.restore(name, 0, value);
        if (!isSame(keys, history.copies.at(-1)!.keys)) {
          history.traffic.injected('rollbacks');
          history.lose();
        }
        history.belief = { ...belief, isOutdated: belief.mustHave !== null };
        history.strays = new Set([...history.strays, ...strays]);
        if (restarted) for (const index of history.processes.keys()) kill(history, index);
      },
      (history) => mayLose(history) && history.copies.length > back,
    ),
  );

function isSame(one: Copy['keys'], other: Copy['keys']): boolean {
  return (
    one.length === other.length && one.every(([name, value], i) => other[i]![0] === name && value.equals(other[i]![1]))
  );
}
