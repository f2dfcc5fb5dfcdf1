import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CouponIssuer, type CouponIssuerOptions, generateCodes, type PersistenceAdapter } from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { expireLeases } from '../support/checks/invariants.js';
import { own } from '../support/checks/own.js';
import { SecretScan } from '../support/checks/secret-scan.js';
import { openNamed, quarantinedOf, rebuildNamed } from '../support/scenes/named.js';
import { Database } from '../support/servers/database.js';
import { client } from '../support/servers/fault-clients.js';
import { ownPort } from '../support/servers/port.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let database: Database;
let campaigns = 0;
beforeAll(async () => {
  [server, database] = await Promise.all([RedisServer.start(), Database.create()]);
});
afterAll(async () => {
  await Promise.all([server?.stop(), database?.stop()]);
});

type SaveMode = 'write-through' | 'write-behind';
const MODES: SaveMode[] = ['write-through', 'write-behind'];
const fresh = () => generateCodes({ count: 2 }).join('');

async function poolOf(url: string): Promise<pg.Pool> {
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  pool.on('error', () => {});
  await own({ stop: () => pool.end() });
  return pool;
}

/** Issues, settles, rebuilds and reconciles with an adapter that fails, and keeps everything that is said. */
async function endure(scan: SecretScan, persistence: PersistenceAdapter, saveMode: SaveMode): Promise<void> {
  const id = `failing-${++campaigns}`;
  const redis = server.client();
  const onEvent: CouponIssuerOptions['onEvent'] = (event) => scan.see(`event ${event.type}`, event);
  const issuer = new CouponIssuer({
    redis: client(redis),
    persistence,
    timeoutMs: 2_000,
    maxTries: 1,
    onEvent,
  });
  const definition = { id, stock: { kind: 'codes' }, saveMode } as const;
  const see = async (what: string, call: () => Promise<unknown>) =>
    scan.see(what, await call().catch((error: unknown) => error));
  await see('openCampaign', () => openNamed(issuer, definition));
  await see('openCampaign as new', () => openNamed(issuer, definition, { skipRowCheck: true }));
  const codes = Array.from({ length: 6 }, () => scan.secret(fresh()));
  await issuer.campaign(id).loadCodes(codes);
  for (const userId of ['ann', 'bob', 'cho']) await see(`issue ${userId}`, () => issuer.campaign(id).issue({ userId }));
  const worker = issuer.startWorker({ campaigns: [id], intervalMs: 5 });
  await expireLeases(redis, id);
  await see('settle', () => issuer.campaign(id).settle());
  await see('health', () => worker.health());
  await worker.stop();
  await see('quarantine', () => quarantinedOf(issuer.campaign(id)));
  await see('status', () => issuer.campaign(id).userStatus({ userId: 'ann' }));
  await see('reconcile', () => issuer.campaign(id).reconcile());
  await see('repair', () => issuer.campaign(id).reconcile({ repair: 'safe' }));
  await see('rebuild', () =>
    rebuildNamed(issuer, definition, { codes, onProgress: (progress) => scan.see('progress', progress) }),
  );
  await see('withdraw', () => issuer.campaign(id).quarantine.withdraw({ all: true }));
  await see('inspect', () => issuer.campaign(id).inspect());
  await issuer.idle();
  scan.see('issuer and worker', [issuer, worker]);
}

test.each([
  { fault: 'a wrong password', seen: /28P01|password authentication failed/ },
  { fault: 'an unknown database', seen: /3D000|does not exist/ },
  { fault: 'a refused connection', seen: /ECONNREFUSED/ },
  { fault: 'a host that does not exist', seen: /ENOTFOUND|EAI_AGAIN|getaddrinfo/ },
])('the password in the URL of PostgreSQL is told to nobody: $fault', async ({ fault, seen }) => {
  const scan = new SecretScan();
  const url = new URL(database.url);
  const role = `role_${++campaigns}`;
  url.username = role;
  url.password = scan.secret(fresh());
  await database.pool.query(`CREATE ROLE ${role} LOGIN PASSWORD '${url.password}'`);
  if (fault === 'a wrong password') url.password = scan.secret(fresh());
  if (fault === 'an unknown database') url.pathname = 'nowhere';
  if (fault === 'a refused connection') url.port = String(await ownPort());
  if (fault === 'a host that does not exist') url.hostname = 'nowhere.invalid';
  for (const mode of MODES) await endure(scan, new PostgresPersistence(await poolOf(url.href)), mode);
  expect(scan.saw(seen)).toBe(true);
  expect(scan.leaks()).toEqual([]);
});

/** What an administrator may have added to the table, and the server's answer to it. */
const OBSTACLES = {
  'a trigger that tells the row': {
    sql: `CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'no more than this: %', NEW.code USING DETAIL = NEW::text, HINT = NEW.code, ERRCODE = 'P0001';
      END $$;
      CREATE TRIGGER tell BEFORE INSERT ON TABLE_NAME FOR EACH ROW EXECUTE FUNCTION tell();`,
    seen: /P0001/,
  },
  'a check that fails': { sql: 'ALTER TABLE TABLE_NAME ADD CHECK (length(code) < 5)', seen: /23514/ },
  'a code that is no number': {
    sql: `CREATE FUNCTION count_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        NEW.grant_no = NEW.code::integer;
        RETURN NEW;
      END $$;
      CREATE TRIGGER count_up BEFORE INSERT ON TABLE_NAME FOR EACH ROW EXECUTE FUNCTION count_up();`,
    seen: /22P02/,
  },
  'a column that is too short': {
    sql: 'ALTER TABLE TABLE_NAME ALTER COLUMN code TYPE varchar(4)',
    seen: /22001/,
  },
  'an index that knows no campaign': {
    sql: 'CREATE UNIQUE INDEX ON TABLE_NAME (epoch)',
    seen: /skipped_by_database/,
  },
};

test.each(Object.entries(OBSTACLES))('%s brings no code to light', async (_, { sql, seen, ...outcome }) => {
  const scan = new SecretScan();
  const table = `table_${++campaigns}`;
  const persistence = new PostgresPersistence(await poolOf(database.url), { table });
  await persistence.createTable();
  await database.pool.query(sql.replaceAll('TABLE_NAME', table));
  // As if it had been altered after each process had looked at it.
  const unchecked = Object.assign(persistence, { check: async () => ({ format: 1 }) });
  for (const mode of MODES) await endure(scan, unchecked, mode);
  if (!('unclear' in outcome)) expect(scan.saw(/type: 'quarantined'/)).toBe(true);
  expect(scan.saw(seen)).toBe(true);
  expect(scan.leaks()).toEqual([]);
});
