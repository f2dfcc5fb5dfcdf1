import { ANSWERS } from './answers.js';
import { BENCH } from './bench.js';
import { BOX_DEFECTS } from './box.js';
import { CACHED } from './cache.js';
import { CHANGES } from './changes.js';
import { COMMAND_LINE } from './cli.js';
import { CODES } from './codes.js';
import { DASHBOARD } from './dashboard.js';
import { DATA } from './data.js';
import { DOCTOR } from './doctor.js';
import { ENDING } from './ending.js';
import { ERRORS } from './errors.js';
import { FORMAT } from './format.js';
import { FRAMEWORKS } from './frameworks.js';
import { ISOLATION } from './isolation.js';
import { LIFE } from './life.js';
import { LISTING } from './listing.js';
import { MADE_ANEW } from './made-anew.js';
import { MYSQL_BRIDGES } from './mysql-bridges.js';
import { NAMES } from './names.js';
import { NEW_IDS } from './new-ids.js';
import { OPERATING } from './operating.js';
import { OVER } from './over.js';
import { PACE } from './pace.js';
/**
 * Defects to plant in the sources, each with the test that has to fail of it. `find` occurs once in `file`; `test` is a part of the full name of one test or several.
 *
 * @type {readonly { defect: string, file: string, find: string, replace: string, caughtBy: { file: string, test: string } }[]}
 */
import { POSTGRES_BRIDGES } from './postgres-bridges.js';
import { QUARANTINE } from './quarantine.js';
import { REFUSED } from './refused.js';
import { RESERVING } from './reserving.js';
import { REVOKE } from './revoke.js';
import { REVOKE_REDIS } from './revoke-redis.js';
import { RIGHTS } from './rights.js';
import { ROLLBACK } from './rollback.js';
import { SAVING } from './saving.js';
import { SETTLED_TOGETHER } from './settle-together.js';
import { SKIPPED } from './skipped.js';
import { STAMPS } from './stamps.js';
import { TABLES } from './tables.js';
import { TRACING } from './tracing.js';
import { USER_IDS } from './user-ids.js';
import { USER_IDS_MYSQL } from './user-ids-mysql.js';
import { USUAL } from './usual.js';
import { VALIDITY } from './validity.js';
import { WAITING } from './waiting.js';
import { WATCHING } from './watching.js';
import { WEB } from './web.js';
import { WINDOW } from './windows.js';
import { WITHIN } from './within.js';
import { WORDS } from './words.js';
import { WORKERS } from './workers.js';

export const MUTANTS = [
  ...POSTGRES_BRIDGES,
  ...COMMAND_LINE,
  ...RESERVING,
  ...USUAL,
  ...ENDING,
  ...SETTLED_TOGETHER,
  ...SAVING,
  ...NEW_IDS,
  ...STAMPS,
  ...OPERATING,
  ...TRACING,
  ...WAITING,
  ...PACE,
  ...LIFE,
  ...VALIDITY,
  ...CHANGES,
  ...BENCH,
  ...BOX_DEFECTS,
  ...LISTING,
  ...QUARANTINE,
  ...ERRORS,
  ...ISOLATION,
  ...MYSQL_BRIDGES,
  ...NAMES,
  ...REVOKE,
  ...REVOKE_REDIS,
  ...RIGHTS,
  ...ROLLBACK,
  ...TABLES,
  ...CODES,
  ...REFUSED,
  ...MADE_ANEW,
  ...OVER,
  ...WATCHING,
  ...SKIPPED,
  ...WORDS,
  ...WINDOW,
  ...WITHIN,
  ...ANSWERS,
  ...FORMAT,
  ...DATA,
  ...CACHED,
  ...USER_IDS,
  ...USER_IDS_MYSQL,
  ...WEB,
  ...DASHBOARD,
  ...FRAMEWORKS,
  ...WORKERS,
  ...DOCTOR,
];
