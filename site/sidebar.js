// The order in which the site shows its pages. A page that no group names stands under "More", so that none is lost.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { listPages, placeOf, ROOT, read, titleOf } from './pages.js';

const GROUPS = {
  'Getting started': ['README', 'docs/comparison', 'docs/recipes', 'docs/migrating', 'docs/sizing'],
  'Giving out': [
    'docs/code-pools',
    'docs/delivering',
    'docs/waiting-room',
    'docs/caching',
    'docs/errors',
    'docs/unit-tests',
  ],
  'Coupons in use': ['docs/redeeming', 'docs/revoking'],
  'Into your service': ['docs/http', 'docs/nestjs', 'docs/fastify', /^examples\//],
  'Your database': [
    'docs/databases',
    'docs/schemas',
    'docs/schemas-mysql',
    'docs/your-own-table',
    'docs/writing-an-adapter',
  ],
  Operating: [
    'docs/operating',
    'docs/runbook',
    'docs/command',
    'docs/dashboard',
    'docs/telemetry',
    'docs/traces-of-redis',
  ],
  'What it is worth': ['docs/reliability', 'docs/performance', 'docs/tables/servers'],
  'How it works': ['ARCHITECTURE', 'docs/protocol', 'docs/decisions/README', 'lua/README'],
  Project: ['CHANGELOG', 'docs/from-0.1', 'CONTRIBUTING', 'SECURITY'],
};
/** Reached from its index, which stands above: a list of so many in every page would weigh more than the pages. */
const DECISION = /^docs\/decisions\/\d/;
const KOREAN = /^README\.ko\.md$|^docs\/ko\//;

const START = { 'README.md': 'Start', 'README.ko.md': '시작' };

const entry = (path) => ({ text: START[path] ?? titleOf(read(path)), link: linkTo(placeOf(path)) });
const linkTo = (place) => `/${place.replace(/(^|\/)index\.md$/, '$1').replace(/\.md$/, '')}`;

export function guides() {
  const left = new Set(listPages().filter((path) => !KOREAN.test(path) && !DECISION.test(path)));
  const groups = Object.entries(GROUPS).map(([text, names]) => {
    const paths = names.flatMap((name) =>
      [...left].filter((path) => (name.test ? name.test(path) : path === `${name}.md`)),
    );
    for (const path of paths) left.delete(path);
    return { text, items: paths.map(entry) };
  });
  return [...groups, { text: 'More', items: [...left].map(entry) }].filter(({ items }) => items.length > 0);
}

export function korean() {
  return [
    {
      text: '안내',
      items: listPages()
        .filter((path) => KOREAN.test(path))
        .map(entry),
    },
  ];
}

/** The entries of the package. The page of each has its members. */
export function reference(dir = join(ROOT, 'site/pages/reference')) {
  const files = readdirSync(dir, { recursive: true, encoding: 'utf8' });
  const own = files
    .filter((file) => /^coupon-issuer\/(?:[^/]+\/)?index\.md$/.test(file))
    .map((file) => file.slice(0, -'index.md'.length));
  return own.sort().map((path) => ({ text: path.slice(0, -1), link: `/reference/${path}` }));
}
