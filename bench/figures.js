// The figures within pages that a person wrote. The prose around them names none, so that a new run makes nothing of it wrong.
import { readFileSync, writeFileSync } from 'node:fs';
import { inMs, markdownTable, micros, perIssue, times, whole } from './table.js';

const FIGURES = /(<!-- figures: [^>]*-->\n)[\s\S]*?(<!-- end of figures -->)/;

/** In the order of docs/comparison.md. */
const WAYS = [
  'coupon-issuer',
  'count, then INSERT, no lock',
  'row lock (SELECT … FOR UPDATE)',
  'UPDATE … WHERE issued < total',
  'a row per unit, FOR UPDATE SKIP LOCKED',
  'SADD + INCR + INSERT',
  'Lua gate + INSERT',
  'Lua gate + job queue + INSERT',
];
const LOADS = [128, 1_024];
/** A rate, in issues a second. */
const EXAMPLE = 3_000;

const PAGES = {
  'docs/comparison.md': { needs: ['steady', 'spike'], figures: comparison },
  'docs/sizing.md': { needs: ['steady'], figures: costs },
};

/** A page with the figures of these results; without the sections that they come from, the page as it is. */
export function withFigures(path, page, results) {
  const { needs, figures } = PAGES[path];
  if (!needs.every((name) => results.sections[name])) return page;
  return page.replace(FIGURES, (_, before, after) => `${before}\n${figures(results)}\n\n${after}`);
}

export function writeFigures(results) {
  for (const path of Object.keys(PAGES)) {
    const url = new URL(`../${path}`, import.meta.url);
    writeFileSync(url, withFigures(path, readFileSync(url, 'utf8'), results));
  }
}

function comparison({ at, ground, sections: { steady, spike } }) {
  const head = ['', ...LOADS.flatMap((load) => [`issues/s at ${whole(load)}`, 'p95']), 'statements each', 'ours is'];
  const rows = WAYS.map((name) => {
    const each = LOADS.map((load) => wayOf(steady.levels.find(({ inFlight }) => inFlight === load)?.contestants, name));
    const { statements, ratio } = each.at(-1);
    const rates = each.flatMap(({ perSecond, p95 }) => [whole(perSecond), inMs(p95)]);
    return [name, ...rates, perIssue(statements), ratio ? times(ratio) : ''];
  });
  const answered = WAYS.map((name) => {
    const { perSecond, p95, given, oversold } = wayOf(spike.contestants, name);
    return [name, whole(perSecond), inMs(p95), whole(given), whole(oversold)];
  });
  return [
    `Measured on ${at.slice(0, 10)} on ${ground.cpu}, with Redis and PostgreSQL on the same machine. Every user is new and gets a coupon, ${LOADS.map(whole).join(' or ')} at a time. An answer counts when its row is committed. \`ours is\` is the throughput of coupon-issuer over that of the line at ${whole(LOADS.at(-1))}.`,
    markdownTable(head, rows),
    `${whole(spike.requests)} users ask in the same instant for ${whole(spike.stock)} coupons:`,
    markdownTable(['', 'answers/s', 'p95', 'given', 'too many'], answered),
  ].join('\n\n');
}

/** The CPU of an issue, and what a rate takes of it. */
function costs({ at, ground, sections: { steady } }) {
  const ours = steady.levels.map(({ inFlight, contestants }) => ({ inFlight, ...wayOf(contestants, WAYS[0]) }));
  const rows = ours.map(({ inFlight, nodeMicros, redisMicros, databaseMicros, perSecond }) => [
    whole(inFlight),
    ...[nodeMicros, redisMicros, databaseMicros ?? undefined].map(micros),
    whole(perSecond),
  ]);
  const dearest = Math.max(...ours.map(({ redisMicros }) => redisMicros));
  const share = ((EXAMPLE * dearest) / 1e6) * 100;
  return [
    `CPU of one issue on ${ground.cpu}, measured on ${at.slice(0, 10)}. The more calls are in flight in a process, the larger its batches are, and the less an issue costs:`,
    markdownTable(['in flight', 'your process', 'Redis', 'database', 'issues/s in all'], rows),
    `For example, ${whole(EXAMPLE)} issues a second take ${share.toFixed(0)} % of the core of Redis at the most.`,
  ].join('\n\n');
}

function wayOf(contestants, name) {
  const found = contestants?.find((each) => each.name === name);
  if (!found) throw new Error(`the results have no figures of ${name}`);
  return found;
}
