// docs/performance.md, its chart, and the figures within other pages, from the results alone: what they do not show is not said.
import { writeFileSync } from 'node:fs';
import { chart } from './chart.js';
import { estimateMarkdown } from './estimate.js';
import { writeFigures } from './figures.js';
import { markdownTable } from './table.js';

const PAGE = new URL('../docs/performance.md', import.meta.url);
const CHART = new URL('../docs/performance.svg', import.meta.url);

/** Why an aim may be missed, by the words of the aim. Said only where it was. */
const REASONS = [
  [
    /against the row lock, at/,
    'A row lock commits one coupon after the other, so its speed is that of the flush of the disk. Where a flush takes longer it is slower, and the ratio larger; ours flushes once for hundreds.',
  ],
  [
    /against the Lua gate with one INSERT|as a share of the bare group-commit/,
    'The floor is the INSERT alone, with both cores to itself. Beside it work the scripts of Redis, and this process for each caller: the shares stand under “Where the time goes”.',
  ],
  [
    /against 0\.1, (committed|reserved)/,
    'What is left is the INSERT with its two unique indexes, the same in every release, and what one coupon costs in Redis: a record, a lease and the end of that lease. One lease for a whole call would save most of it; it is modelled, and left out for now (decision 66).',
  ],
  [
    /1,000 campaigns/,
    'Campaigns share a call, and each still has a hash and keys of its own: for one coupon Redis reads two dozen fields and runs some seventeen commands, and the client of this process writes some forty arguments. Confirms that waited for company would hardly find any: at 10,000 coupons a second each campaign has ten.',
  ],
  [
    /admitted from|settled after/,
    'An id of the line or of the backlog may have been sent before, so the INSERT looks for it as in 0.1: the database, a third of the whole, costs what it did.',
  ],
  [
    /Redis alone, against|sold-out refusals, exact/,
    'Both ways end where Redis and this process are busy, and what they spend on a caller is of one order: a batch saves the price of the call, and the record, the fence and the number of the call cost it again. For refusals the limit is this process: the arguments of each caller, which the client measures and writes out one by one, and garbage collection. A refusal takes it less than half of what a bare PING does.',
  ],
  [
    /one lone call/,
    'Alone, nobody shares the fixed price: reserve reads two dozen fields of the campaign and looks whether its keys are whole, confirm is a call of its own, and the statement is made for batches.',
  ],
  [
    /for an issue after/,
    'While the hash of a campaign doubles its table, every command on it also moves entries over, at any size: the section shows how much that is, and how much is left for size alone.',
  ],
  [
    /joins a second, against a sorted set/,
    'One ZADD takes Redis as long as a whole join takes it here, with the record of the coupon to come, the place and the refusals judged. A batch saves the round trip, not the work.',
  ],
  [
    /redeems a second, against/,
    'A plain UPDATE is fast on a quiet machine: both processors take turns on its connections. A batch saves the price of the statement and of the commit; the price of the changed row and of the call in this process stays.',
  ],
  [
    /at three times the peak load/,
    'The load comes from the same process, and each refusal takes time from it that serving would need.',
  ],
];

/** The sections that have figures, in their order. */
export function writePage(sections, results) {
  const measured = sections.filter(({ name }) => results.sections[name]);
  const { steady } = results.sections;
  if (steady) writeFileSync(CHART, chart(steady.levels));
  const parts = measured.map((section) => `## ${section.title}\n\n${section.markdown(results.sections[section.name])}`);
  const whole = [
    opening(results, Boolean(steady)),
    aims(measured, results),
    ...parts,
    estimateMarkdown(results.sections),
  ];
  writeFileSync(PAGE, `${whole.filter(Boolean).join('\n\n')}\n`);
  writeFigures(results);
}

function opening({ ground, at, seconds, again }, hasChart) {
  const { cpu, node, redis, postgresql, mariadb } = ground;
  return [
    '# Performance',
    '`npm run bench` starts a redis-server, a PostgreSQL and a MariaDB of its own (every commit flushed, which it checks) and runs each way of giving out coupons on the same work in one run. Rounds alternate, medians are taken, each way with a database has the pool size that suits it best, and after each round the rows are counted: a wrong result is marked wrong. Everything shares the machine, so the ratios within a run say more than the figures, and the spread behind them says how far to trust them. Where the machine is full, the CPU of an issue says how many there can be.',
    `This page is written by the run: ${at.slice(0, 10)}, ${Math.round(seconds / 60)} minutes on ${cpu}; Node ${node.slice(1)}, Redis ${redis}, PostgreSQL ${postgresql}, MariaDB ${mariadb}. \`--quick\` is a first look in shorter rounds, \`--only steady,gates\` some sections, \`--in-flight 128\` other loads; the figures of every round are in \`bench/results.json\`.`,
    ...(again
      ? [
          `Some sections were measured again, in ${Math.round(again.seconds / 60)} minutes on ${again.at.slice(0, 10)}: ${again.sections.join(', ')}. They are not of one run with the others.`,
        ]
      : []),
    ...(hasChart ? ['![Coupons a second of each way](performance.svg)'] : []),
  ].join('\n\n');
}

function aims(sections, { sections: results }) {
  const all = sections.flatMap(({ name }) => results[name].aims ?? []);
  const rows = all.map(({ what, aim, seen, reached }) => [what, aim, seen, reached ? 'reached' : '**missed**']);
  const wrong = sections.flatMap(({ name }) => results[name].wrong ?? []);
  const verdict =
    wrong.length === 0
      ? 'Every contestant that has to be right was right in every round.'
      : `Wrong although it has to be right:\n\n${wrong.map((one) => `- ${one}`).join('\n')}`;
  const missed = all.filter(({ reached }) => !reached);
  const reasons = REASONS.filter(([words]) => missed.some(({ what }) => words.test(what))).map(([, why]) => `- ${why}`);
  return [
    '## Aims and measurements',
    markdownTable(['', 'aim', 'seen', ''], rows),
    verdict,
    ...(reasons.length > 0 ? [`What was missed, and why:\n\n${reasons.join('\n')}`] : []),
  ].join('\n\n');
}
