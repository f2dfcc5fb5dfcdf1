import fc from 'fast-check';
import { campaignKeys } from '../../../src/redis/keys.js';
import { emptyBelief } from './belief.js';
import { POISONED } from './callers.js';
import { command, type HistoryCommand } from './command.js';
import type { Copy, History } from './history.js';
import { ENDINGS } from './traffic.js';
import type { Fate } from './wire.js';

const ALWAYS: readonly Fate[] = ['lost', 'done and lost', 'twice'];
const FATES: Readonly<Record<string, readonly Fate[]>> = {
  ...Object.fromEntries(
    ['reserve', 'confirm', 'release', 'claim-due', 'postpone', 'reassign', 'adopt-row', 'begin-rebuild'].map(
      (script) => [script, [...ALWAYS, 'held']],
    ),
  ),
  ...Object.fromEntries(
    ['keep-promised', 'rebuild-rows', 'load-codes', 'finish-rebuild', 'withdraw'].map((script) => [script, ALWAYS]),
  ),
  ...Object.fromEntries(['restock', 'set-paused', 'close-campaign', 'open-campaign'].map((script) => [script, ALWAYS])),
};

export const mislaying: fc.Arbitrary<HistoryCommand> = fc
  .constantFrom(...Object.entries(FATES).flatMap(([script, fates]) => fates.map((fate) => ({ script, fate }))))
  .chain((call) => fc.nat(2).map((process) => ({ ...call, process })))
  .map(({ process, script, fate }) =>
    command(`${process}: the next ${script} is ${fate}`, async ({ processes }) => {
      processes[process]!.wire.fates.push({ script, fate });
    }),
  );

/** A copy of an earlier call arrives. */
export const copying: fc.Arbitrary<HistoryCommand> = fc
  .record({ process: fc.nat(2), back: fc.nat(20) })
  .map(({ process, back }) =>
    command(
      `${process}: a copy of call -${back} arrives`,
      async ({ processes, told }) => {
        const call = processes[process]!.wire.calls.at(-1 - back);
        const reply = await call?.run().catch((error: unknown) => String(error));
        told.log.push(`${call?.name}: ${JSON.stringify(reply)}`);
      },
      ({ processes }) => processes[process]!.wire.calls.length > back,
    ),
  );

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
  .map((process) => command(`${process}: dies, another comes`, async (history) => history.crash(process)));

export const poisoning: fc.Arbitrary<HistoryCommand> = fc.boolean().map((poisoned) =>
  command(poisoned ? `${POISONED} cannot be saved` : `${POISONED} can be saved`, async ({ database }) => {
    database.poison = poisoned ? POISONED : null;
  }),
);

async function loseEverything(history: History, by: () => Promise<unknown>): Promise<void> {
  await by();
  if (history.before.books.state !== 'none') history.lose();
  history.belief = emptyBelief();
}

export const emptying: fc.Arbitrary<HistoryCommand> = fc.constant(
  command('FLUSHALL', (history) => loseEverything(history, () => history.ground.redis.flushall())),
);

export const restartingEmpty: fc.Arbitrary<HistoryCommand> = fc.constant(
  command('Redis is killed and starts empty', (history) =>
    loseEverything(history, () => history.ground.restart('lost')),
  ),
);

export const restarting: fc.Arbitrary<HistoryCommand> = fc.constant(
  command('Redis is killed and starts again', ({ ground }) => ground.restart('kept')),
);

export const forgettingScripts: fc.Arbitrary<HistoryCommand> = fc.constant(
  command('SCRIPT FLUSH', ({ ground }) => ground.redis.script('FLUSH')),
);

const LOSABLE = ['campaign', 'grants', 'senders', 'leases', 'returned', 'pool'] as const;

export const losingAKey: fc.Arbitrary<HistoryCommand> = fc.constantFrom(...LOSABLE).map((name) =>
  command(
    `the key ${name} is lost`,
    async (history) => {
      const there = await history.ground.redis.del(campaignKeys('coupon', history.id)[name]);
      if (there === 0) return;
      history.lose();
      if (name === 'campaign') history.belief = emptyBelief();
      else history.belief.partial = [...history.belief.partial, name];
    },
    ({ belief }) => belief.serving,
  ),
);

/** An older copy takes the place of what there is; processes that come later know of nothing newer. */
export const puttingBack: fc.Arbitrary<HistoryCommand> = fc
  .record({ back: fc.integer({ min: 1, max: 9 }), restarted: fc.boolean() })
  .map(({ back, restarted }) =>
    command(
      `a copy of ${back} commands ago is put back${restarted ? ', and every process dies' : ''}`,
      async (history) => {
        const { keys, belief } = history.copies.at(-1 - back)!;
        const { redis } = history.ground;
        await redis.flushall();
        for (const [name, value] of keys) await redis.restore(name, 0, value);
        if (!isSame(keys, history.copies.at(-1)!.keys)) history.lose();
        history.belief = { ...belief };
        if (restarted) for (const index of history.processes.keys()) history.crash(index);
      },
      ({ copies }) => copies.length > back,
    ),
  );

function isSame(one: Copy['keys'], other: Copy['keys']): boolean {
  return (
    one.length === other.length && one.every(([name, value], i) => other[i]![0] === name && value.equals(other[i]![1]))
  );
}
