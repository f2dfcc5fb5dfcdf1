// Everyone asks ten times at once: who presses the button again is given one coupon, and takes none from anybody.
import { couponIssuer, WAYS } from '../contestants/index.js';
import { compare, steadyRound, wrongOnes } from '../load.js';
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

export const name = 'duplicates';
export const title = 'Every user asks ten times';

const TIMES = 10;
const IN_FLIGHT = 128;

export async function run(ground) {
  const rounds = ground.quick ? 1 : 3;
  const ms = ground.quick ? 150 : 800;
  const at = { ...ground, inFlight: IN_FLIGHT };
  const load = { requestOf: impatient, expected: (calls) => Math.ceil(calls / TIMES) };
  await steadyRound(couponIssuer, at, { ms, ...load });
  const contestants = await compare(WAYS, at, {
    rounds,
    measure: (contestant, at) => steadyRound(contestant, at, { ms, ...load }),
  });
  return {
    quick: ground.quick,
    rounds,
    roundMs: ms,
    inFlight: at.inFlight,
    contestants,
    wrong: wrongOnes(contestants),
  };
}

/** The ten follow each other at once, so that all of them are on their way together. */
function impatient(n, [campaignId]) {
  return { campaignId, userId: `user-${Math.floor((n - 1) / TIMES)}` };
}

const HEAD = ['answers/s', 'p50', 'p95', 'p99', ...CPU_HEAD, 'statements', 'ours is', ''];

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

export function lines({ inFlight, contestants }) {
  return terminalTable([`${whole(inFlight)} in flight`, ...HEAD], contestants.map(cellsOf));
}

export function markdown({ inFlight, contestants }) {
  return [
    `${TIMES} requests of a user follow each other at once, ${whole(inFlight)} requests in flight. Right is: one coupon each, one of the ten is told so, and the others are refused. CPU and statements are per request.`,
    markdownTable(['', ...HEAD], contestants.map(cellsOf)),
  ].join('\n\n');
}
