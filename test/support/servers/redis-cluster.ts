import { until } from '../checks/until.js';
import { ownPort } from './port.js';
import { ask, isMaster, type Node, startNode, stopNodes } from './redis-node.js';

const MASTERS = 3;
const SLOTS = 16_384;
const firstSlotOf = (master: number) => Math.ceil((master * SLOTS) / MASTERS);

/** Three masters, each with a third of the slots, and three replicas: node `i + 3` begins as the replica of node `i`. */
export class RedisCluster {
  readonly nodes: Node[] = [];
  readonly #busPorts: number[] = [];

  static async start(): Promise<RedisCluster> {
    const cluster = new RedisCluster();
    try {
      await cluster.#start();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** Where a client may ask for the others. */
  get addresses(): { host: string; port: number }[] {
    return this.nodes.map(({ proxy }) => ({ host: '127.0.0.1', port: proxy.port }));
  }

  /** In which third of the slots a key lies: the number of the master that it began on. */
  async thirdOf(key: string): Promise<number> {
    const slot = await this.slotOf(key);
    return [0, 1, 2].findLast((master) => slot >= firstSlotOf(master))!;
  }

  /** The master of a third of the slots, as the last node sees it. */
  async masterOf(third: number): Promise<Node | null> {
    const slots = (await this.#ask(5, 'CLUSTER', 'SLOTS')) as [number, number, [string, number]][];
    const port = slots.find(([first]) => first === firstSlotOf(third))?.[2][1];
    return this.nodes.find(({ proxy }) => proxy.port === port) ?? null;
  }

  /** The slot of a key. */
  async slotOf(key: string): Promise<number> {
    return Number(await this.#ask(MASTERS - 1, 'CLUSTER', 'KEYSLOT', key));
  }

  /** How many listen to a channel on each node; none on a node that is down. */
  async listeners(channel: string): Promise<number[]> {
    const count = async (_: Node, i: number) => {
      const [, listening = 0] = (await this.#ask(i, 'PUBSUB', 'NUMSUB', channel).catch(() => [])) as [string?, number?];
      return listening;
    };
    return Promise.all(this.nodes.map(count));
  }

  /** How often a node answered so, as in `MOVED`. */
  async errors(node: Node, word: string): Promise<number> {
    const stats = String(await ask(node.server, 'INFO', 'errorstats'));
    return Number(new RegExp(`errorstat_${word}:count=(\\d+)`).exec(stats)?.[1] ?? 0);
  }

  /** Begins to move a slot: from now on both nodes send whoever asks for its keys to the other, or tell them to try again. */
  async beginMove(slot: number, { from, to }: { from: Node; to: Node }): Promise<void> {
    const [fromId, toId] = [await ask(from.server, 'CLUSTER', 'MYID'), await ask(to.server, 'CLUSTER', 'MYID')];
    await ask(to.server, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', String(fromId));
    await ask(from.server, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', String(toId));
  }

  /** Moves up to so many keys of a slot, and names them. */
  async moveKeys(slot: number, { from, to }: { from: Node; to: Node }, most: number): Promise<string[]> {
    const keys = (await ask(from.server, 'CLUSTER', 'GETKEYSINSLOT', slot, most)) as string[];
    const target = ['127.0.0.1', to.server.port, '', 0, 10_000];
    if (keys.length > 0) await ask(from.server, 'MIGRATE', ...target, 'KEYS', ...keys);
    return keys;
  }

  /** The slot belongs to its new node, and all masters know. */
  async endMove(slot: number, { from, to }: { from: Node; to: Node }): Promise<void> {
    const toId = String(await ask(to.server, 'CLUSTER', 'MYID'));
    for (const node of new Set([to, from, ...this.nodes.slice(0, MASTERS)])) {
      await ask(node.server, 'CLUSTER', 'SETSLOT', slot, 'NODE', toId);
    }
  }

  /** The replica of a third takes over: in step with its master, or without asking anybody. */
  async failOver(third: number, how: 'planned' | 'without asking'): Promise<void> {
    await this.#ask(third + MASTERS, 'CLUSTER', 'FAILOVER', ...(how === 'planned' ? [] : ['TAKEOVER']));
  }

  /** Waits until the replica of a third is its master, and the old master no more. */
  async promoted(third: number): Promise<Node> {
    const replica = this.nodes[third + MASTERS]!;
    await until(
      async () =>
        (await this.masterOf(third)) === replica && (await isMaster(replica)) && !(await isMaster(this.nodes[third]!)),
      60_000,
      () => 'the replica was not promoted',
    );
    return replica;
  }

  async stop(): Promise<void> {
    await stopNodes(this.nodes);
  }

  async #start(): Promise<void> {
    const each = Array.from({ length: 2 * MASTERS }, (_, i) => i);
    for (const _ of each) {
      const bus = await ownPort();
      this.#busPorts.push(bus);
      this.nodes.push(await startNode((port) => argsOf(port, bus)));
    }
    for (const i of each) {
      await this.#ask(i, 'CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
      if (i < MASTERS) await this.#ask(i, 'CLUSTER', 'ADDSLOTSRANGE', firstSlotOf(i), firstSlotOf(i + 1) - 1);
    }
    for (const i of each.slice(1)) {
      await this.#ask(0, 'CLUSTER', 'MEET', '127.0.0.1', this.nodes[i]!.proxy.port, this.#busPorts[i]!);
    }
    await this.#until(async (i) => (await this.#lines(i)).filter((line) => !line.includes('handshake')).length === 6);
    for (const i of each.slice(MASTERS)) {
      const master = String(await this.#ask(i - MASTERS, 'CLUSTER', 'MYID'));
      await this.#ask(i, 'CLUSTER', 'REPLICATE', master);
    }
    await this.#until(async (i) => {
      const replicas = (await this.#lines(i)).filter((line) => /\bslave\b/.test(line));
      const info = String(await this.#ask(i, 'CLUSTER', 'INFO'));
      const link = i < MASTERS || String(await this.#ask(i, 'INFO', 'replication')).includes('master_link_status:up');
      return replicas.length === MASTERS && info.includes('cluster_state:ok') && link;
    });
  }

  async #until(isSo: (i: number) => Promise<boolean>): Promise<void> {
    for (let i = 0; i < this.nodes.length; i++) await until(() => isSo(i), 60_000);
  }

  async #lines(i: number): Promise<string[]> {
    return String(await this.#ask(i, 'CLUSTER', 'NODES'))
      .trim()
      .split('\n');
  }

  #ask(i: number, command: string, ...args: (string | number)[]): Promise<unknown> {
    return ask(this.nodes[i]!.server, command, ...args);
  }
}

function argsOf(port: number, bus: number): string[] {
  const announced = { ip: '127.0.0.1', port, 'bus-port': bus };
  const options = { enabled: 'yes', 'config-file': 'nodes.conf', 'node-timeout': 2_000, port: bus };
  return [
    ...Object.entries(options).flatMap(([name, value]) => [`--cluster-${name}`, String(value)]),
    ...Object.entries(announced).flatMap(([name, value]) => [`--cluster-announce-${name}`, String(value)]),
  ];
}
