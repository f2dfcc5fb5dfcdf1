import fc from 'fast-check';
import type { SettleResult } from '../../../src/index.js';
import { campaignKeys } from '../../../src/redis/keys.js';
import { until } from '../../support/checks/until.js';
import { quarantinedOf } from '../../support/scenes/named.js';
import { inMood, type Moods, moods, moodsInWords } from './callers.js';
import { command, type HistoryCommand, mustRefuse } from './command.js';
import type { History, Process } from './history.js';
import { IN_QUARANTINE } from './snapshot.js';

const opened = ({ belief }: Readonly<History>) => belief.epoch !== '';

/** Makes the leases that still run end now, and those of announcements. */
export async function letLeasesRunOut(history: History): Promise<void> {
  const { leases, campaign } = await history.books();
  const { leases: key } = campaignKeys('coupon', history.id);
  const { redis } = history.ground;
  const now = Number((await redis.time())[0]) * 1000;
  for (const [field, due] of leases) {
    if (due > now && due < IN_QUARANTINE) await redis.zadd(key, 'XX', now, field);
  }
  const { campaign: hash } = campaignKeys('coupon', history.id);
  for (const [field, announced] of Object.entries(campaign).filter(([name]) => name.startsWith('revoking:'))) {
    await redis.hset(hash, field, announced.replace(/^(\d+):\d+/, '$1:0'));
  }
}

export const leasesRunningOut: fc.Arbitrary<HistoryCommand> = fc.constant(
  command('leases run out', letLeasesRunOut, opened),
);

/** A pass over what is due. */
export function settleOnce(process: number, late: boolean, mood: Moods): HistoryCommand {
  const words = `${process}: settle${late ? ' what is late' : ''}${moodsInWords(mood)}`;
  return command(words, (history) => settle(history, history.processes[process]!, mood, late), opened);
}

export const settling: fc.Arbitrary<HistoryCommand> = fc
  .tuple(fc.nat(2), fc.constantFrom(true, true, false), moods)
  .map(([process, late, mood]) => settleOnce(process, late, mood));

async function settle(history: History, process: Process, mood: Moods, late: boolean): Promise<void> {
  if (late) await letLeasesRunOut(history);
  inMood(history, mood);
  const { traffic } = history;
  let result: SettleResult | null = null;
  const refuses = mustRefuse(history, process);
  const fates = traffic.fates.length;
  const calm = traffic.held.length === 0 && mood.saves.length === 0 && mood.deliveries.length === 0;
  const settling = history.pursue(process.issuer.campaign(history.id).settle());
  settling.then(
    (done) => {
      result = done;
    },
    () => {},
  );
  await traffic.quiet();
  if (!calm || !late || traffic.fates.length < fates || history.trust === 'behind' || refuses) return;
  const books = await history.books();
  const pending = books.reserved.length;
  if (!result || books.quarantined !== pending) throw new Error(`a pass in peace left ${pending} reserved`);
}

/** A worker looks once at what is due. */
export const working: fc.Arbitrary<HistoryCommand> = fc
  .record({ process: fc.nat(2), batchSize: fc.integer({ min: 1, max: 3 }), mood: moods })
  .map(({ process, batchSize, mood }) => {
    const words = `${process}: a worker comes, ${batchSize} at a time${moodsInWords(mood)}`;
    return command(words, (history) => work(history, history.processes[process]!, batchSize, mood), opened);
  });

async function work(history: History, { issuer }: Process, batchSize: number, mood: Moods): Promise<void> {
  inMood(history, mood);
  const { calls } = history.traffic;
  const before = calls.length;
  const worker = issuer.startWorker({ campaigns: [history.id], intervalMs: 3_600_000, batchSize });
  await until(() => calls.length > before);
  await history.traffic.quiet();
  history.pursue(worker.stop());
}

/** An operator lets settle try again what is in quarantine. */
export const retrying: fc.Arbitrary<HistoryCommand> = fc.nat(2).map((process) =>
  command(
    `${process}: retry what is in quarantine`,
    ({ processes, id }) =>
      processes[process]!.issuer.campaign(id)
        .quarantine.retry({ all: true })
        .catch((error: Error) => error),
    opened,
  ),
);

/** An operator gives up what is in quarantine, once no save of it can be under way; where the adapter cannot find rows, they look themselves. */
export const withdrawing: fc.Arbitrary<HistoryCommand> = fc
  .nat(2)
  .map((process) =>
    command(`${process}: withdraw what is in quarantine`, (history) => withdraw(history, process), opened),
  );

async function withdraw(history: History, index: number): Promise<void> {
  const { traffic, database, id, told, belief, delivered, recalled, setting } = history;
  if (traffic.held.length + database.landing.length > 0) return;
  const { issuer } = history.processes[index]!;
  const found = await quarantinedOf(issuer.campaign(id)).catch(() => []);
  const stored = new Set((await database.rows(id)).map((row) => row.id));
  const ids = found.map(({ issuance }) => issuance.id).filter((one) => setting.finds || !stored.has(one));
  const [least, most] = belief.withdrawn;
  told.withdrawn(ids);
  for (const one of ids) recalled.add(delivered.get(one) ?? '');
  const { withdrawn } = await issuer
    .campaign(id)
    .quarantine.withdraw({ ids })
    .catch(() => ({ withdrawn: 0 }));
  belief.withdrawn = [least + withdrawn, most + ids.length];
}

/** An operator compares Redis with the rows, and lets it repair what it can, or looks only. */
export const reconciling: fc.Arbitrary<HistoryCommand> = fc
  .record({ process: fc.nat(2), repair: fc.boolean() })
  .map(({ process, repair }) =>
    command(
      `${process}: reconcile${repair ? ' and repair' : ''}`,
      (history) => reconcile(history, history.processes[process]!, repair),
      opened,
    ),
  );

async function reconcile(history: History, process: Process, repair: boolean): Promise<void> {
  const { traffic, told, id } = history;
  inMood(history, { saves: [], deliveries: [] });
  const calm = traffic.held.length + traffic.fates.length === 0 && history.trust === 'whole';
  const mustWork = calm && !mustRefuse(history, process);
  const comparing = process.issuer.campaign(id).reconcile(repair ? { repair: 'safe' } : {});
  const ended = comparing.then(
    (report) => {
      traffic.injected('comparisons of Redis with the rows');
      told.log.push(`reconcile: ${JSON.stringify(report)}`);
      return null;
    },
    (error: Error) => error,
  );
  let failure: Error | null = null;
  history.pursue(
    ended.then((error) => {
      failure = error;
    }),
  );
  await traffic.quiet();
  if (failure && mustWork) throw failure;
}
