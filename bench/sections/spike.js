// The spike: a hundred requests for each coupon, all at once. Nearly all of them are refusals, and nobody may be given more than there is.
import { couponIssuer, naive, WAYS } from '../contestants/index.js';
import { byName, campaignNames, compare, withOpen, wrongOnes } from '../load.js';
import { measureCpu } from '../support-cpu.js';
import { atLeast, quantiles } from '../support-rounds.js';
import {
  CPU_HEAD,
  cpuCells,
  inMs,
  markdownTable,
  ratio,
  right,
  terminalTable,
  title as titleOf,
  whole,
} from '../table.js';

export const name = 'spike';
export const title = 'A hundred requests for each coupon, all at once';

/** The pools are those that are best for this many callers. */
const IN_FLIGHT = 1_024;

export async function run(ground) {
  const { quick } = ground;
  const rounds = quick ? 1 : 3;
  const stock = quick ? 5 : 100;
  const requests = stock * 100;
  const at = { ...ground, inFlight: IN_FLIGHT };
  await spike(couponIssuer, at, { stock, requests });
  const contestants = await compare(WAYS, at, {
    rounds,
    measure: (contestant, at) => spike(contestant, at, { stock, requests }),
  });
  const { oversold } = byName(contestants, naive);
  const aims = [atLeast(`the fault is seen: sold too many by ${naive.name}`, 1, oversold, whole)];
  return { quick, rounds, stock, requests, contestants, aims, wrong: wrongOnes(contestants) };
}

function spike(contestant, ground, { stock, requests }) {
  return withOpen(contestant, { ...ground, total: stock }, async (opened, redis) => {
    const [campaignId] = campaignNames();
    await opened.prepare([campaignId]);
    const latencies = [];
    const errors = [];
    let given = 0;
    const cpu = await measureCpu({ redis, databasePid: ground.databasePid });
    const startedAt = performance.now();
    const ask = async (n) => {
      try {
        if (await opened.issue({ campaignId, userId: `user-${n}` })) given++;
      } catch (error) {
        errors.push(String(error));
      }
      latencies.push(performance.now() - startedAt);
    };
    await Promise.all(Array.from({ length: requests }, (_, n) => ask(n)));
    await opened.finish?.();
    const seconds = (performance.now() - startedAt) / 1000;
    const costs = await cpu(requests);
    const { rows, serials, users } = await opened.count();
    const oversold = Math.max(0, rows - stock);
    return {
      seconds,
      perSecond: requests / seconds,
      ...quantiles(latencies),
      ...costs,
      given,
      errors: errors.length,
      error: errors[0] ?? null,
      oversold,
      unsold: Math.max(0, stock - rows),
      duplicates: Math.max(rows - serials, rows - users),
      fault: faultOf({ rows, serials, users, given, stock, oversold, errors, givesUp: contestant.givesUp }),
    };
  });
}

function faultOf({ rows, serials, users, given, stock, oversold, errors, givesUp = false }) {
  if (oversold > 0) return `${whole(rows)} given out of ${whole(stock)}`;
  if (serials !== rows || users !== rows) return `${rows - Math.min(serials, users)} given out twice`;
  if (rows !== given) return `${rows} rows, but ${given} were told that they have one`;
  if (givesUp) return null;
  if (rows < stock) return `${stock - rows} of ${stock} left, but nobody was given them`;
  return errors.length > 0 ? `${whole(errors.length)} were told an error: ${errors[0]}` : null;
}

const HEAD = ['answers/s', 'p50', 'p95', 'p99', ...CPU_HEAD, 'given', 'too many', 'twice', 'errors', 'ours is', ''];

function cellsOf(one) {
  const { perSecond, p50, p95, p99, given, oversold, duplicates, errors } = one;
  const counts = [given, oversold, duplicates, errors].map(whole);
  return [
    titleOf(one),
    whole(perSecond),
    inMs(p50),
    inMs(p95),
    inMs(p99),
    ...cpuCells(one),
    ...counts,
    ratio(one),
    right(one),
  ];
}

export function lines({ stock, requests, contestants }) {
  return terminalTable([`${whole(requests)} requests, ${whole(stock)} coupons`, ...HEAD], contestants.map(cellsOf));
}

export function markdown({ stock, requests, rounds, contestants }) {
  return [
    `${whole(requests)} users ask in the same instant for ${whole(stock)} coupons, ${rounds} rounds. The times and the CPU are those of an answer, whatever it says; afterwards the rows are counted. The way without a lock and without unique indexes is here to show what the others are for.`,
    markdownTable(['', ...HEAD], contestants.map(cellsOf)),
  ].join('\n\n');
}
