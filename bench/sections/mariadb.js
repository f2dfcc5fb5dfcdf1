// The same on MariaDB: this library through `coupon-issuer/mysql`, beside the row lock there.
import { mysqlCouponIssuer, mysqlGroupCommit, mysqlRowLock } from '../contestants/mariadb.js';
import { compare, steadyRound, sweep, wrongOnes } from '../load.js';
import {
  CPU_HEAD,
  cpuCells,
  inMs,
  markdownTable,
  perIssue,
  ratio,
  right,
  terminalTable,
  title as titleOf,
  whole,
} from '../table.js';

export const name = 'mariadb';
export const title = 'MariaDB';

const CONTESTANTS = [mysqlCouponIssuer, mysqlRowLock, mysqlGroupCommit];

export async function run(ground) {
  const { mariadb, quick, inFlights } = ground;
  if (!mariadb) return { missing: true, levels: [], wrong: [] };
  const rounds = quick ? 2 : 3;
  const ms = quick ? 200 : 1_200;
  const wanted = inFlights.filter((count) => [128, 1_024].includes(count));
  const levels = [];
  for (const inFlight of wanted.length > 0 ? wanted : inFlights) {
    const at = { ...ground, inFlight, databasePid: mariadb.pid };
    const sweeps = { [mysqlRowLock.name]: await sweep(mysqlRowLock, at) };
    await steadyRound(mysqlCouponIssuer, at, { ms });
    const measure = (contestant, at) => steadyRound(contestant, at, { ms });
    levels.push({ inFlight, sweeps, contestants: await compare(CONTESTANTS, at, { rounds, measure }) });
  }
  return { quick, rounds, roundMs: ms, levels, wrong: levels.flatMap(({ contestants }) => wrongOnes(contestants)) };
}

const HEAD = ['issues/s', 'p50', 'p95', 'p99', ...CPU_HEAD, 'statements', 'ours is', ''];

function cellsOf(one) {
  const { perSecond, p50, p95, p99, statements } = one;
  return [
    titleOf(one),
    whole(perSecond),
    inMs(p50),
    inMs(p95),
    inMs(p99),
    ...cpuCells(one),
    perIssue(statements),
    ratio(one),
    right(one),
  ];
}

export function lines({ missing, levels }) {
  if (missing) return ['  mariadbd is not installed: left out'];
  return levels.flatMap(({ inFlight, contestants }) =>
    terminalTable([`${whole(inFlight)} in flight`, ...HEAD], contestants.map(cellsOf)),
  );
}

export function markdown({ missing, levels }) {
  if (missing) return 'Not installed where this was run.';
  const tables = levels.map(({ inFlight, contestants }) =>
    markdownTable([`${whole(inFlight)} in flight`, ...HEAD], contestants.map(cellsOf)),
  );
  return ['Every request gets a coupon, as above.', ...tables].join('\n\n');
}
