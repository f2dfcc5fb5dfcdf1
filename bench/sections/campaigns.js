// A thousand campaigns at once: what is gathered for one campaign is gathered for fewer when there are many.
import { couponIssuer, luaGate, rowLock } from '../contestants/index.js';
import { atItsBest, steadyRound } from '../load.js';
import { alternate, medianOf, ratioOf } from '../support-rounds.js';
import {
  CPU_HEAD,
  cpuCells,
  inMs,
  markdownTable,
  right,
  terminalTable,
  times,
  title as titleOf,
  whole,
} from '../table.js';

export const name = 'campaigns';
export const title = 'A thousand campaigns at once';

/** The row lock is slow with one campaign; with a thousand nobody waits for anybody. */
const CONTESTANTS = [couponIssuer, luaGate, rowLock];
const MANY = 1_000;

export async function run(ground) {
  const { quick } = ground;
  const rounds = quick ? 1 : 3;
  const ms = quick ? 200 : 1_200;
  const levels = [];
  for (const inFlight of quick ? [1_024] : [1_024, 4_096]) {
    const contestants = [];
    for (const contestant of CONTESTANTS.filter(({ slow }) => !slow || inFlight === 1_024)) {
      contestants.push(await oneAgainstMany(contestant, { ...ground, inFlight }, { rounds, ms }));
    }
    levels.push({ inFlight, contestants });
  }
  const all = levels.flatMap(({ contestants }) => contestants);
  const wrong = all.flatMap(({ name, fault }) => (fault ? [`${name}: ${fault}`] : []));
  return { quick, rounds, roundMs: ms, campaigns: MANY, levels, wrong };
}

async function oneAgainstMany(contestant, ground, { rounds, ms }) {
  const at = await atItsBest(contestant, ground);
  const round = (campaigns) => steadyRound(contestant, at, { ms, campaigns });
  if (!at.quick) await round(MANY);
  const [one, many] = await alternate([1, MANY], rounds, round);
  return {
    name: contestant.name,
    redis: contestant.redis ?? false,
    poolSize: at.poolSize ?? null,
    one: medianOf(one),
    many: medianOf(many),
    ratio: ratioOf(many, one, 'perSecond'),
    fault: [...one, ...many].find(({ fault }) => fault)?.fault ?? null,
    rounds: { one, many },
  };
}

const HEAD = ['campaigns', 'issues/s', 'p95', ...CPU_HEAD, 'a thousand over one', ''];

function rowsOf({ one, many, ratio, fault, redis, ...contestant }) {
  const row = (campaigns, figures, ratio) => [
    titleOf(contestant),
    whole(campaigns),
    whole(figures.perSecond),
    inMs(figures.p95),
    ...cpuCells({ ...figures, redis }),
    ratio,
    right({ fault }),
  ];
  return [row(1, one, ''), row(MANY, many, times(ratio))];
}

export function lines({ levels }) {
  return levels.flatMap(({ inFlight, contestants }) =>
    terminalTable([`${whole(inFlight)} in flight`, ...HEAD], contestants.flatMap(rowsOf)),
  );
}

export function markdown({ levels }) {
  const tables = levels.map(({ inFlight, contestants }) =>
    markdownTable([`${whole(inFlight)} in flight`, ...HEAD], contestants.flatMap(rowsOf)),
  );
  const intro = `The same load spread over ${whole(MANY)} campaigns, request by request, so that hardly two for the same campaign are on their way together; in turn with the same load on one.`;
  return [intro, ...tables].join('\n\n');
}
