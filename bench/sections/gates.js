// Redis alone: who gets a coupon, without a database behind it. The common ways send a call per request; this library gathers the calls of a tick.
import { CouponIssuer, MemoryPersistence } from 'coupon-issuer';
import {
  checkAndDecrement,
  couponIssuer,
  existsDecrementSet,
  hset,
  increment,
  ping,
  rateLimiter,
} from '../support-gates.js';
import { alternate, atLeast, atMost, closedLoop, inTimes, medianOf, ratioOf, watchRedis } from '../support-rounds.js';
import { inMs, markdownTable, micros, ratio, right, terminalTable, whole } from '../table.js';

export const name = 'gates';
export const title = 'Redis alone';

const STOCK_THAT_SELLS_OUT = 1_000;
const CACHE_MS = 100;
const AGAINST_SCRIPT = 'Redis alone, against the check-and-decrement script per call';

export async function run({ redisPort, quick, inFlights, print }) {
  const rounds = quick ? 2 : 3;
  const ms = quick ? 200 : 1_500;
  const watch = watchRedis(redisPort);
  const shared = { redisPort, rounds, ms, watch };
  const levels = [];
  for (const inFlight of levelsOf(inFlights, quick)) {
    print(`  deciding and refusing, ${whole(inFlight)} in flight`);
    const given = await compare(await givers(redisPort), { ...shared, inFlight });
    const refused = await compare(await refusers(redisPort), { ...shared, inFlight, soldOut: true });
    const confirmed = await compare([withConfirm(redisPort)], { ...shared, inFlight });
    levels.push({ inFlight, given, refused, confirmed });
  }
  watch.close();
  const all = levels.flatMap(({ given, refused, confirmed }) => [...given, ...refused, ...confirmed]);
  const wrong = all.flatMap(({ name, fault }) => (fault ? [`${name}: ${fault}`] : []));
  return { quick, rounds, roundMs: ms, levels, aims: aimsOf(levels), wrong };
}

function levelsOf(inFlights, quick) {
  const wanted = (quick ? [1_024] : [128, 1_024]).filter((count) => inFlights.includes(count));
  return wanted.length > 0 ? wanted : inFlights.slice(-1);
}

async function givers(redisPort) {
  const on = { redisPort };
  return [
    couponIssuer(on),
    await checkAndDecrement(on),
    await checkAndDecrement({ ...on, autoPipelining: true }),
    increment(on),
    existsDecrementSet(on),
    await rateLimiter(on),
    ping(on),
    hset(on),
  ];
}

/** Nothing is left, and somebody else asks each time. */
async function refusers(redisPort) {
  const stock = { redisPort, total: STOCK_THAT_SELLS_OUT, stock: STOCK_THAT_SELLS_OUT };
  const exact = couponIssuer({ ...stock, name: 'coupon-issuer, exact' });
  const cached = hasRefusalCache()
    ? [couponIssuer({ ...stock, name: 'coupon-issuer, refusal cache', options: { refusalCacheMs: CACHE_MS } })]
    : [];
  return [
    exact,
    ...cached,
    await checkAndDecrement(stock),
    await checkAndDecrement({ ...stock, autoPipelining: true }),
  ];
}

/** An adapter that costs Redis nothing, so that reserve and confirm are all that it works for. */
function withConfirm(redisPort) {
  const options = { persistence: new MemoryPersistence() };
  return couponIssuer({ redisPort, name: 'coupon-issuer, reserve and confirm', options });
}

function hasRefusalCache() {
  try {
    new CouponIssuer({ redis: { evalsha() {}, eval() {} }, refusalCacheMs: CACHE_MS });
    return true;
  } catch {
    return false;
  }
}

async function compare(contestants, settings) {
  try {
    const faults = contestants.map(() => null);
    const round = async (contestant, ms) => {
      const { figures, fault } = await runRound(contestant, { ...settings, ms });
      faults[contestants.indexOf(contestant)] ??= fault;
      return figures;
    };
    // The first is ours, which has the most code to warm up.
    for (const [i, contestant] of contestants.entries()) await round(contestant, i === 0 ? 600 : settings.ms / 3);
    const measured = await alternate(contestants, settings.rounds, (contestant) => round(contestant, settings.ms));
    const summary = [];
    for (const [i, contestant] of contestants.entries()) {
      const { name, floor = false } = contestant;
      summary.push({
        name,
        floor,
        ...medianOf(measured[i]),
        // For the first one itself there is nothing to compare.
        ratio: i === 0 ? null : ratioOf(measured[0], measured[i], 'perSecond'),
        twice: floor || settings.soldOut ? null : await askTwice(contestant),
        fault: faults[i],
        rounds: measured[i],
      });
    }
    return summary;
  } finally {
    for (const contestant of contestants) await contestant.close();
  }
}

async function runRound(contestant, { inFlight, ms, watch, soldOut }) {
  await contestant.prepare();
  // The stock is gone before the clock runs, and one of these buyers asks again at the end.
  const buyers = Array.from({ length: soldOut ? STOCK_THAT_SELLS_OUT : 0 }, (_, i) => `buyer-${i}`);
  const sold = (await Promise.all(buyers.map((buyer) => contestant.call(buyer)))).filter(Boolean).length;
  const figures = await closedLoop({ ...contestant, inFlight, ms, parts: { redis: watch } });
  const expected = soldOut ? 0 : figures.calls;
  const miscounted = figures.good === expected ? null : `${figures.good} were given one instead of ${expected}`;
  const holder = soldOut ? 'user-buyer-0' : null;
  const fault = figures.error ?? miscounted ?? (await contestant.fault(sold + figures.good, holder));
  return { figures, fault };
}

/** How many coupons one user gets by asking twice in the same instant: what the figure is bought with. */
async function askTwice(contestant) {
  await contestant.prepare();
  const answers = await Promise.all([contestant.call('twice'), contestant.call('twice')]);
  return answers.filter(Boolean).length;
}

function aimsOf(levels) {
  const script = (summary) => summary.find(({ name }) => name === 'check-and-decrement script').ratio.median;
  const at = (inFlight) => `at ${whole(inFlight)} in flight`;
  const { refused, confirmed, inFlight } = levels.at(-1);
  const cached = refused.find(({ name }) => name.includes('refusal cache'));
  return [
    ...levels.map(({ inFlight, given }) => {
      const least = inFlight < 1_024 ? 2 : 2.5;
      return atLeast(`${AGAINST_SCRIPT}, ${at(inFlight)}`, least, script(given), inTimes);
    }),
    atLeast(`sold-out refusals, exact, against the same, ${at(inFlight)}`, 5, script(refused), inTimes),
    ...(cached ? [atLeast('sold-out refusals from memory, a second', 1_000_000, cached.perSecond, whole)] : []),
    atMost(`CPU of Redis for an issue with its confirm, ${at(inFlight)}`, 6, confirmed[0].redisMicros, micros),
  ];
}

const PARTS = { given: 'given', refused: 'refused, nothing left', confirmed: 'given, with a row to confirm' };
const HEAD = ['calls/s', 'p50', 'p99', 'Node', 'Redis', 'one user twice', 'ours is', ''];

function cellsOf(one) {
  const { name, perSecond, p50, p99, nodeMicros, redisMicros, twice } = one;
  const figures = [whole(perSecond), inMs(p50), inMs(p99), micros(nodeMicros), micros(redisMicros)];
  return [name, ...figures, twice === null ? '' : `gets ${twice}`, ratio(one), right(one)];
}

function tablesOf(levels, table) {
  return levels.flatMap(({ inFlight, ...parts }) =>
    Object.entries(PARTS).map(([part, head]) =>
      table([`${head}, ${whole(inFlight)} in flight`, ...HEAD], parts[part].map(cellsOf)),
    ),
  );
}

export function lines({ levels }) {
  return tablesOf(levels, terminalTable).flatMap((table) => [...table, '']);
}

export function markdown({ levels, rounds, roundMs }) {
  const intro = `A call per request through one client, and no database. ${rounds} rounds of ${roundMs / 1000} s each; \`Node\` and \`Redis\` are CPU per call (Node with the load itself). \`one user twice\`: what a user gets who asks twice in the same instant. \`ours is\`: how many times the throughput of the line, the median of the rounds and how far they lie apart.`;
  return [intro, ...tablesOf(levels, markdownTable)].join('\n\n');
}
