// The figures of docs/comparison.md, which asks of each common way why not to take it. The prose around them names no figure, so that a new run
// makes nothing of it wrong.
import { readFileSync, writeFileSync } from 'node:fs';
import { inMs, markdownTable, perIssue, times, whole } from './table.js';

const PAGE = new URL('../docs/comparison.md', import.meta.url);
const FIGURES = /(<!-- figures: [^>]*-->\n)[\s\S]*?(<!-- end of figures -->)/;

/** In the order of the page. */
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

/** The page with the figures of these results; without the sections that they come from, the page as it is. */
export function withFigures(page, results) {
  const { steady, spike } = results.sections;
  if (!steady || !spike) return page;
  return page.replace(FIGURES, (_, before, after) => `${before}\n${figures(results)}\n\n${after}`);
}

export function writeComparison(results) {
  writeFileSync(PAGE, withFigures(readFileSync(PAGE, 'utf8'), results));
}

function figures({ at, ground, sections: { steady, spike } }) {
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

function wayOf(contestants, name) {
  const found = contestants?.find((each) => each.name === name);
  if (!found) throw new Error(`the results have no figures of ${name}`);
  return found;
}
