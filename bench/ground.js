// What the figures stand on.
import { availableParallelism, cpus } from 'node:os';
import { Redis } from 'ioredis';
import mysql from 'mysql2/promise';
import pg from 'pg';

/** Without fsync and synchronous_commit a commit costs nothing and no ratio means anything. */
export async function describeGround({ redisPort, postgresUrl, mariadb }) {
  const postgres = await describePostgres(postgresUrl);
  if (postgres.fsync !== 'on' || postgres.synchronous_commit !== 'on') {
    throw new Error('PostgreSQL does not wait for its disk');
  }
  return {
    cpu: `${availableParallelism()} × ${cpus()[0]?.model.trim() ?? 'unknown'}`,
    node: process.version,
    redis: await describeRedis(redisPort),
    ...postgres,
    mariadb: mariadb ? await describeMariadb(mariadb) : 'not installed',
  };
}

async function describeRedis(port) {
  const client = new Redis(port, '127.0.0.1');
  const info = await client.info('server');
  client.disconnect();
  return /redis_version:(\S+)/.exec(info)[1];
}

async function describePostgres(url) {
  const client = new pg.Client(url);
  await client.connect();
  const show = async (name) => (await client.query(`SHOW ${name}`)).rows[0][name];
  const described = {
    postgresql: await show('server_version'),
    fsync: await show('fsync'),
    synchronous_commit: await show('synchronous_commit'),
  };
  await client.end();
  return described;
}

async function describeMariadb({ stop, pid, ...address }) {
  const client = await mysql.createConnection(address);
  const [[{ version, flush }]] = await client.query(
    'SELECT version() AS version, @@innodb_flush_log_at_trx_commit AS flush',
  );
  await client.end();
  if (flush !== 1) throw new Error('MariaDB does not wait for its disk');
  return version;
}
