import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { until } from '../checks/until.js';
import type { Certificate } from './certificate.js';
import { isMaster, type Node, startNode, stopNodes } from './redis-node.js';
import { newDataDir, RedisServer } from './redis-server.js';

const GROUP = 'coupons';

/** One master, two replicas, and three sentinels that watch them. */
export class SentinelGroup {
  readonly nodes: Node[] = [];
  readonly #sentinels: RedisServer[] = [];
  readonly #eyes: Redis[] = [];

  static async start(tls?: Certificate): Promise<SentinelGroup> {
    const group = new SentinelGroup();
    try {
      await group.#start(tls);
    } catch (error) {
      await group.stop();
      throw error;
    }
    return group;
  }

  async #start(tls?: Certificate): Promise<void> {
    for (let i = 0; i < 3; i++) {
      const master = this.nodes[0]?.proxy.port;
      const follows = master ? ['--replicaof', `127.0.0.1 ${master}`] : [];
      const known = (port: number) => ['--replica-announce-ip', '127.0.0.1', '--replica-announce-port', String(port)];
      this.nodes.push(await startNode((port) => [...known(port), ...follows], tls));
    }
    for (let i = 0; i < 3; i++) this.#sentinels.push(await startSentinel(this.nodes[0]!.proxy.port, tls));
    this.#eyes.push(...this.#sentinels.map((sentinel) => sentinel.client({ retryStrategy: () => 50 })));
    await until(async () => (await Promise.all(this.#eyes.map(seesAll))).every(Boolean), 60_000);
  }

  /** Where a client asks for the master. */
  get addresses(): { host: string; port: number }[] {
    return this.#sentinels.map(({ port }) => ({ host: '127.0.0.1', port }));
  }

  get name(): string {
    return GROUP;
  }

  /** The master that most sentinels name. */
  async master(): Promise<Node> {
    const named = await Promise.all(
      this.#eyes.map(async (eye) => addressOf(await eye.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', GROUP))),
    );
    const port = named.find((one) => named.filter((other) => other === one).length >= 2);
    const node = this.nodes.find(({ proxy }) => proxy.port === port);
    if (!node) throw new Error(`the sentinels name ${named.join(', ')}`);
    return node;
  }

  /** A planned failover. */
  async failover(): Promise<void> {
    await this.#eyes[0]!.call('SENTINEL', 'FAILOVER', GROUP);
  }

  /** Waits until most sentinels name another master, and it says that it is one. The old one may go on for ten seconds. */
  async promoted(before: Node): Promise<Node> {
    let now = before;
    await until(
      async () => {
        now = await this.master().catch(() => before);
        if (now === before) return false;
        return isMaster(now);
      },
      60_000,
      () => 'no replica was promoted',
    );
    return now;
  }

  async stop(): Promise<void> {
    for (const sentinel of this.#sentinels) await sentinel.stop();
    await stopNodes(this.nodes);
  }
}

async function startSentinel(masterPort: number, tls?: Certificate): Promise<RedisServer> {
  const dir = newDataDir();
  const file = join(dir, 'sentinel.conf');
  const watches = [
    `sentinel monitor ${GROUP} 127.0.0.1 ${masterPort} 2`,
    `sentinel down-after-milliseconds ${GROUP} 1500`,
    `sentinel failover-timeout ${GROUP} 20000`,
  ];
  writeFileSync(file, `${watches.join('\n')}\n`);
  return RedisServer.with({ dir, tls, args: [file, '--sentinel'], ready: 'Sentinel ID is' });
}

function addressOf(reply: unknown): number {
  return Number((reply as string[] | null)?.[1]);
}

/** Whether a sentinel knows both replicas, in step, and the other sentinels. */
async function seesAll(eye: Redis): Promise<boolean> {
  const [group] = ((await eye.call('SENTINEL', 'MASTERS')) as string[][]).map(pairs);
  const replicas = ((await eye.call('SENTINEL', 'REPLICAS', GROUP)) as string[][]).map(pairs);
  return (
    group?.get('num-other-sentinels') === '2' &&
    replicas.length === 2 &&
    replicas.every((replica) => replica.get('master-link-status') === 'ok' && replica.get('flags') === 'slave')
  );
}

function pairs(flat: string[]): Map<string, string> {
  return new Map(flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1]!] as const] : [])));
}
