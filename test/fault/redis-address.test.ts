import { Redis } from 'ioredis';
import { Redis as Redis6 } from 'ioredis-v6';
import { expect, test } from 'vitest';
import { CouponIssuer, type RedisClient } from '../../src/index.js';
import { memoryBook } from '../support/checks/books.js';
import { checkInvariants } from '../support/checks/invariants.js';
import { own } from '../support/checks/own.js';
import { until } from '../support/checks/until.js';
import { CAREFUL, client } from '../support/servers/fault-clients.js';
import { LossyProxy } from '../support/servers/proxy.js';
import { ask } from '../support/servers/redis-node.js';
import { RedisServer } from '../support/servers/redis-server.js';

const ID = 'moved';
const REPLICA = ['--repl-diskless-sync-delay', '0'];

interface Ground {
  readonly first: RedisServer;
  readonly second: RedisServer;
  readonly address: LossyProxy;
}

/** A master with a replica, behind one address that leads to the master. */
async function oneAddress(): Promise<Ground> {
  const [first, second] = await Promise.all([own(RedisServer.start(REPLICA)), own(RedisServer.start(REPLICA))]);
  await ask(second, 'REPLICAOF', '127.0.0.1', first.port);
  await until(async () => String(await ask(second, 'INFO', 'replication')).includes('master_link_status:up'));
  return { first, second, address: await own(LossyProxy.start(first.port)) };
}

/** A planned failover: the replica has everything, and the old master becomes its replica. Connections that are open stay. */
async function failOver({ first, second, address }: Ground): Promise<void> {
  const offset = async (server: RedisServer, name: string) =>
    new RegExp(`${name}:(\\d+)`).exec(String(await ask(server, 'INFO', 'replication')))?.[1];
  await until(async () => (await offset(first, 'master_repl_offset')) === (await offset(second, 'slave_repl_offset')));
  await ask(second, 'REPLICAOF', 'NO', 'ONE');
  await ask(first, 'REPLICAOF', '127.0.0.1', second.port);
  address.moveTo(second.port);
}

const clients: [string, (port: number) => RedisClient & Pick<Redis, 'once' | 'status'>][] = [
  ['ioredis 5', (port) => client(new Redis(port, '127.0.0.1', CAREFUL))],
  ['ioredis 6', (port) => client(new Redis6(port, '127.0.0.1', CAREFUL)) as never],
];

test.each(clients)(
  'after a failover behind one address, %s with the options of the README leaves the old master after one refusal, and sends nothing twice',
  async (_, connect) => {
    const ground = await oneAddress();
    const redis = connect(ground.address.port);
    await until(() => redis.status === 'ready');
    const book = memoryBook();
    const issuer = new CouponIssuer({ redis, persistence: book });
    await issuer.campaign(ID).open({ stock: { kind: 'counted', total: 20 } });
    expect(await issuer.campaign(ID).issue({ userId: 'before' })).toMatchObject({ status: 'issued' });
    await issuer.idle();
    await failOver(ground);

    const reconnected = new Promise((resolve) => redis.once('ready', resolve));
    const refused = issuer.campaign(ID).issue({ userId: 'between', requestId: 'one' });
    await expect(refused).rejects.toMatchObject({ code: 'REDIS', message: expect.stringContaining('READONLY') });
    // The client is on its way to the new master: the old one is not asked again.
    const meanwhile = await issuer
      .campaign(ID)
      .issue({ userId: 'meanwhile' })
      .catch(({ message }) => message);
    expect(meanwhile).toContain("Stream isn't writeable");
    await reconnected;
    const scripts = String(await ask(ground.second, 'INFO', 'commandstats'));
    expect(scripts, 'what was refused is not sent again').not.toMatch(/cmdstat_evalsha:|cmdstat_eval:/);
    expect(await issuer.campaign(ID).userStatus({ userId: 'between' })).toMatchObject({ status: 'none' });
    for (const userId of ['between', 'after']) {
      expect(await issuer.campaign(ID).issue({ userId, requestId: 'one' })).toMatchObject({ status: 'issued' });
    }
    await issuer.idle();
    const audit = ground.second.client();
    await checkInvariants({ redis: audit, campaignId: ID, rows: await book.rows(ID), settled: true });
    await issuer.close();
  },
);
