// What the library costs a request over HTTP: a bare Node server and one of Express, each beside the same server that answers a constant.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { CouponIssuer } from 'coupon-issuer';
import { createTableSql, PostgresPersistence } from 'coupon-issuer/postgres';
import { Redis } from 'ioredis';
import pg from 'pg';
import { measureCpu } from '../support-cpu.js';
import { autocannonRound } from '../support-http-autocannon.js';
import { connectTo } from '../support-http-load.js';
import { alternate, closedLoop, medianOf, watchRedis } from '../support-rounds.js';
import { inMs, markdownTable, micros, terminalTable, whole } from '../table.js';

export const name = 'http';
export const title = 'Over HTTP';

const SERVER = fileURLToPath(new URL('../support-http-server.js', import.meta.url));
const KINDS = ['node, a constant', 'node, issue()', 'express, a constant', 'express, issue()'];
const TABLE = 'bench_http';
const CONNECTIONS = 128;
/** What asks, and what the names of its figures end in. */
const LOADS = [
  { by: '', round: socketRound },
  { by: ', autocannon', round: roundOfAutocannon },
];

export async function run({ redisPort, postgresUrl, databasePid, quick, print }) {
  const rounds = quick ? 1 : 3;
  const ms = quick ? 700 : 3_000;
  const redis = new Redis(redisPort, '127.0.0.1');
  const watch = watchRedis(redisPort);
  const parts = { redis: watch, databasePid };
  const pool = new pg.Pool({ connectionString: postgresUrl, max: 1, idleTimeoutMillis: 0 });
  pool.on('error', () => {});
  const issuer = new CouponIssuer({ redis, persistence: new PostgresPersistence(pool, { table: TABLE }) });
  const running = [];
  const wrong = [];
  try {
    await redis.flushall();
    await pool.query(`DROP TABLE IF EXISTS ${TABLE}`);
    await pool.query(createTableSql({ table: TABLE }));
    for (const [i, kind] of KINDS.entries()) {
      const campaignId = `bench-${i}`;
      await issuer.campaign(campaignId).open({ stock: { kind: 'counted', total: 100_000_000 } });
      running.push(await start({ kind, redisPort, postgresUrl, table: TABLE, campaignId }));
    }
    print(`  ${CONNECTIONS} connections, one request out on each, ${rounds} rounds of ${ms} ms`);
    const loaded = LOADS.flatMap((load) => running.map((server) => ({ ...load, server })));
    for (const one of loaded) await measure(one, ms / 2, parts);
    const measured = await alternate(loaded, rounds, (one) => measure(one, ms, parts));
    const summary = loaded.map(({ by, server }, i) => ({ kind: `${server.kind}${by}`, ...medianOf(measured[i]) }));
    for (const { kind, campaignId, created, others } of running) {
      if (others > 0) wrong.push(`${kind}: ${others} answers were not 201`);
      const { rows } = await pool.query(`SELECT count(*)::int AS stored FROM ${TABLE} WHERE campaign_id = $1`, [
        campaignId,
      ]);
      const expected = kind.endsWith('issue()') ? created : 0;
      if (rows[0].stored !== expected) wrong.push(`${kind}: ${rows[0].stored} rows after ${expected} answers 201`);
    }
    const costs = LOADS.flatMap(({ by }) => ['node', 'express'].map((base) => costOf(summary, base, by)));
    return { quick, rounds, roundMs: ms, connections: CONNECTIONS, servers: summary, costs, wrong };
  } finally {
    for (const server of running) server.stop();
    watch.close();
    await issuer.close();
    redis.disconnect();
    await pool.end();
  }
}

function costOf(summary, base, by) {
  const [constant, issuing] = ['a constant', 'issue()'].map((what) =>
    summary.find(({ kind }) => kind === `${base}, ${what}${by}`),
  );
  return {
    base: `${base}${by}`,
    serverMicros: issuing.serverMicros - constant.serverMicros,
    share: issuing.perSecond / constant.perSecond,
  };
}

async function start(what) {
  const child = fork(SERVER, [JSON.stringify(what)]);
  const said = async () => (await once(child, 'message'))[0];
  const failed = once(child, 'exit').then(([code]) => {
    throw new Error(`the server of ${what.kind} exited with ${code}`);
  });
  // After it is up, its end is the end of this section.
  failed.catch(() => {});
  const { port } = await Promise.race([said(), failed]);
  const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => connectTo(port)));
  return {
    ...what,
    port,
    path: `/campaigns/${what.campaignId}/coupons`,
    connections,
    created: 0,
    others: 0,
    users: 0,
    /** µs since it started. */
    async cpu() {
      child.send('cpu');
      return (await said()).cpu;
    },
    stop() {
      for (const connection of connections) connection.close();
      child.disconnect();
    },
  };
}

async function measure({ round, server }, ms, parts) {
  const cpu = await measureCpu(parts);
  const cpuBefore = await server.cpu();
  const figures = await round(server, ms);
  if (figures.error) throw new Error(`${server.kind}: ${figures.error}`);
  server.created += figures.good;
  server.others += figures.calls - figures.good;
  const serverMicros = ((await server.cpu()) - cpuBefore) / figures.calls;
  const { redisMicros, databaseMicros } = await cpu(figures.calls);
  return { ...figures, serverMicros, redisMicros, databaseMicros };
}

/** Every request is a new user. */
const newUser = (server) => ({ userId: `user-${++server.users}` });

function socketRound(server, ms) {
  const free = [...server.connections];
  return closedLoop({
    inFlight: CONNECTIONS,
    ms,
    async call() {
      const connection = free.pop();
      const status = await connection.post(server.path, newUser(server));
      free.push(connection);
      return status === 201;
    },
  });
}

function roundOfAutocannon(server, ms) {
  const url = `http://127.0.0.1:${server.port}${server.path}`;
  return autocannonRound({ url, connections: CONNECTIONS, ms, nextBody: () => JSON.stringify(newUser(server)) });
}

const HEAD = ['', 'requests/s', 'p50', 'p99', 'load', 'server', 'Redis', 'database'];

function cellsOf({ kind, perSecond, p50, p99, nodeMicros, serverMicros, redisMicros, databaseMicros }) {
  const costs = [nodeMicros, serverMicros, redisMicros, databaseMicros].map(micros);
  return [kind, whole(perSecond), inMs(p50), inMs(p99), ...costs];
}

function sentenceOf({ base, serverMicros, share }) {
  const cost = `issue() with its clients costs a request ${micros(serverMicros)} of the server's CPU`;
  return `${base}: ${cost}, and leaves ${(share * 100).toFixed(0)} % of the requests/s of a constant`;
}

export function lines({ servers, costs }) {
  return [...terminalTable(HEAD, servers.map(cellsOf)), ...costs.map((cost) => `  ${sentenceOf(cost)}`)];
}

export function markdown({ servers, costs, connections, rounds, roundMs }) {
  return [
    `${connections} connections with one request out on each, ${rounds} rounds of ${roundMs / 1000} s; every request is a new user, and \`201\` means that the row is committed. \`server\` is the CPU of its process for a request, \`load\` that of the process that asks; they share the machine with Redis and PostgreSQL. The load speaks on bare sockets, and once more through autocannon: where \`load\` is as much as \`server\`, requests/s are the limit of the load, and not of the server.`,
    markdownTable(HEAD, servers.map(cellsOf)),
    costs.map((cost) => `- ${sentenceOf(cost)}`).join('\n'),
  ].join('\n\n');
}
