import type { TestProject } from 'vitest/node';
import { PgBouncer } from './pgbouncer.js';
import { PostgresServer } from './postgres-server.js';
import { PGBOUNCER } from './programs.js';

declare module 'vitest' {
  interface ProvidedContext {
    postgresUrl: string;
  }
}

/** One real PostgreSQL for the whole suite; each test file makes its own database on it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await PostgresServer.start();
  const bouncer = PGBOUNCER && (await PgBouncer.start(PGBOUNCER, server));
  project.provide('postgresUrl', server.url(bouncer ? bouncer.port : server.port));
  return async () => {
    if (bouncer) await bouncer.stop();
    await server.stop();
  };
}
