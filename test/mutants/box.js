const TEST = 'test/integration/box.test.ts';
const CSV = 'test/unit/csv.test.ts';
const BOX = 'src/box/box.ts';
const CAMPAIGNS = 'src/box/campaigns.ts';
const PAGES = 'src/box/pages.ts';
const inBox = (test) => ({ file: TEST, test });
const inCsv = (test) => ({ file: CSV, test });
const contractOf = (database, test) => ({ file: `test/contract/${database}.test.ts`, test });
const planIn = (database, test) => ({ file: 'test/integration/box-plans.test.ts', test: `in ${database} ${test}` });

const OF_OTHERS = 'listByUser gives no coupon of another user, whose id differs in case or by a space';
const NAMED = 'listByUser gives the coupons of the campaigns named, and of no other';
const NEWEST = 'listByUser gives at most limit, the newest of all campaigns';

/** Defects of reading coupons: of a user, a code and a campaign, and of writing them as CSV. */
export const BOX_DEFECTS = [
  {
    defect: 'the box shows the coupons of another user that the adapter gave',
    file: BOX,
    find: 'row?.userId !== userId || ',
    replace: '!row || ',
    caughtBy: inBox('by a coupon of another user shows no box'),
  },
  {
    defect: 'the box shows coupons of campaigns that were not asked for',
    file: BOX,
    find: '|| !campaignIds.includes(row.campaignId)',
    replace: '',
    caughtBy: inBox('by a coupon of another campaign shows no box'),
  },
  {
    defect: 'the box shows a coupon twice',
    file: BOX,
    find: "    if (seen.has(key)) throw unfit('listByUser', must);\n",
    replace: '',
    caughtBy: inBox('by a coupon twice shows no box'),
  },
  {
    defect: 'the box of many campaigns has no end',
    file: BOX,
    find: 'couponsOf(rows).slice(0, MOST_COUPONS)',
    replace: 'couponsOf(rows)',
    caughtBy: inBox('are asked 500 at a time'),
  },
  {
    defect: 'a code that is found nowhere is not looked for in newer campaigns',
    file: BOX,
    find: 'await this.#withCode(code, await this.#campaigns.idsBeyond(ids))',
    replace: '[]',
    caughtBy: inBox('of a second ago are read again for a code that was found nowhere'),
  },
  {
    defect: 'the campaigns of the table are read once and for ever',
    file: CAMPAIGNS,
    find: 'const KEPT_MS = 60_000;',
    replace: 'const KEPT_MS = Number.POSITIVE_INFINITY;',
    caughtBy: inBox('are read again after a minute'),
  },
  {
    defect: 'the campaigns of the table are read for each call',
    file: CAMPAIGNS,
    find: 'const KEPT_MS = 60_000;',
    replace: 'const KEPT_MS = 0;',
    caughtBy: inBox('are read once for all calls of a moment'),
  },
  {
    defect: 'a list of campaigns that could not be read is kept',
    file: CAMPAIGNS,
    find: '      if (this.#listed === listed) this.#listed = null;\n',
    replace: '',
    caughtBy: inBox('that could not be read are read again by the next call'),
  },
  {
    defect: 'the box does not know the campaigns that its process serves',
    file: 'src/core.ts',
    find: 'served: () => campaigns.ids',
    replace: 'served: () => []',
    caughtBy: { file: 'test/integration/redeeming.test.ts', test: 'is in the box of its user at once' },
  },
  {
    defect: 'a page skips a coupon',
    file: PAGES,
    find: '    afterSerial = last.serial;\n',
    replace: '    afterSerial = last.serial + 1;\n',
    caughtBy: inBox('are read page by page, and a loop that is left reads no more'),
  },
  {
    defect: 'the coupons of a campaign are read whatever the issuer says',
    file: PAGES,
    find: '    const rows = await call(async () =>',
    replace: '    const rows = await (async (read: () => Promise<Issuance[] | null>) => read())(async () =>',
    caughtBy: inBox('end with ClosedError at the next page, once the issuer is closed'),
  },
  {
    defect: 'a coupon that ends at the instant asked for is left out',
    file: PAGES,
    find: '> endsByMs) continue',
    replace: '>= endsByMs) continue',
    caughtBy: inBox('in memory a coupon that ends at the instant given is no longer valid then'),
  },
  {
    defect: 'a tally counts no returned units',
    file: 'src/model/coupon.ts',
    find: '  if (row.life?.unitReturned) counts.returned++;\n',
    replace: '',
    caughtBy: inBox('in memory a tally is the same by count and page by page'),
  },
  {
    defect: 'an adapter that is given up is not told so',
    file: 'src/persistence/read-from.ts',
    find: '    abort.abort(error);\n',
    replace: '',
    caughtBy: inBox('and never answers is given up after timeoutMs'),
  },
  {
    defect: 'an error of the database is quoted to the caller',
    file: 'src/persistence/read-from.ts',
    find: 'const cause = kindOf(error);',
    replace: 'const cause = error as Error;',
    caughtBy: inBox('is a PersistenceError of each call, which says that nothing was changed and quotes no row'),
  },
  {
    defect: 'PostgreSQL: the box ignores the user',
    file: 'src/persistence/postgres/read.ts',
    find: 'AND t.user_id = ANY($2',
    replace: 'AND 0 < cardinality($2',
    caughtBy: contractOf('postgres', OF_OTHERS),
  },
  {
    defect: 'PostgreSQL: the box ignores the campaigns',
    file: 'src/persistence/postgres/read.ts',
    find: 't.campaign_id = ANY($1::text[])',
    replace: 'cardinality($1::text[]) > 0',
    caughtBy: contractOf('postgres', NAMED),
  },
  {
    defect: 'PostgreSQL: the box has the highest serials, not the newest coupons',
    file: 'src/persistence/postgres/read.ts',
    find: 'ORDER BY t.issued_at DESC, t.serial DESC',
    replace: 'ORDER BY t.serial DESC',
    caughtBy: contractOf('postgres', NEWEST),
  },
  {
    defect: 'PostgreSQL: the campaigns are looked for in every row',
    file: 'src/persistence/postgres/read.ts',
    find: ') SELECT campaign_id FROM c WHERE',
    replace:
      ') SELECT campaign_id FROM (SELECT DISTINCT campaign_id FROM coupon_issuances ORDER BY campaign_id) c WHERE',
    caughtBy: planIn('PostgreSQL', 'after the server knows the statistics of the table the campaigns of the table are'),
  },
  {
    defect: 'MySQL: the box ignores the user',
    file: 'src/persistence/mysql/read.ts',
    find: 'AND user_id IN (?)',
    replace: 'AND (user_id IN (?) OR 1 = 1)',
    caughtBy: contractOf('mysql', OF_OTHERS),
  },
  {
    defect: 'MySQL: the box has the highest serials, not the newest coupons',
    file: 'src/persistence/mysql/read.ts',
    find: 'ORDER BY issued_at DESC, serial DESC',
    replace: 'ORDER BY serial DESC',
    caughtBy: contractOf('mysql', NEWEST),
  },
  {
    defect: 'MySQL: a box in several statements is longer than its limit',
    file: 'src/persistence/mysql/read.ts',
    find: 'found.sort(newestFirst).slice(0, limit)',
    replace: 'found.sort(newestFirst)',
    caughtBy: planIn('MariaDB', 'a box of several statements has the newest coupons of all of them'),
  },
  ...['PostgreSQL', 'MariaDB'].map((database) => {
    const [clock, folder] = {
      PostgreSQL: ['statement_timestamp()', 'postgres'],
      MariaDB: ['UTC_TIMESTAMP(3)', 'mysql'],
    }[database];
    return {
      defect: `${database}: a count takes a coupon for valid at its end`,
      file: `src/persistence/${folder}/read.ts`,
      find: `expires_at > ${clock}`,
      replace: `expires_at >= ${clock}`,
      caughtBy: {
        file: 'test/integration/changing-rows.test.ts',
        test: `in ${database} a count takes a coupon for expired at its end, and for valid a millisecond before`,
      },
    };
  }),
  {
    defect: 'a CSV shows codes that were not asked for',
    file: 'src/csv/index.ts',
    find: ' && !showsCodes ?',
    replace: ' && showsCodes ?',
    caughtBy: inCsv('codes are masked unless they are asked for'),
  },
  {
    defect: 'a CSV shows half of a short code',
    file: 'src/model/masked-code.ts',
    find: 'const LONG_CODE = 12;',
    replace: 'const LONG_CODE = 8;',
    caughtBy: inCsv('codes are masked unless they are asked for'),
  },
  {
    defect: 'a CSV has cells that a spreadsheet computes',
    file: 'src/csv/index.ts',
    find: 'FORMULA.test(text) ?',
    replace: 'text === null ?',
    caughtBy: inCsv('and none begins like a formula'),
  },
  {
    defect: 'a CSV has cells that begin like a formula in wide characters',
    file: 'src/csv/index.ts',
    find: '＝＋－＠',
    replace: '',
    caughtBy: inCsv('the cell of "＝1"'),
  },
  {
    defect: 'a quote within a cell of a CSV ends it',
    file: 'src/csv/index.ts',
    find: `safe.replaceAll('"', '""')`,
    replace: 'safe',
    caughtBy: inCsv(String.raw`the cell of "a\"b" is`),
  },
  {
    defect: 'a CSV is held in memory as a whole',
    file: 'src/csv/index.ts',
    find: 'const CHUNK = 16_384;',
    replace: 'const CHUNK = 1e9;',
    caughtBy: inCsv('comes in chunks, and is read only as fast as they are taken'),
  },
];
