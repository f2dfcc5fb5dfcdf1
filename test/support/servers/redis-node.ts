import type { Certificate } from './certificate.js';
import { ownPort } from './port.js';
import { LossyProxy } from './proxy.js';
import { NOTHING_KEPT, RedisServer } from './redis-server.js';

/** A redis-server that the others and the clients know by the port of its proxy, so that the links of its replicas can be cut. */
export interface Node {
  readonly server: RedisServer;
  readonly proxy: LossyProxy;
}

/** What a replica says first on the link to its master, and nobody else. */
export const REPLICA_SAYS = 'REPLCONF';

export async function startNode(args: (announced: number) => readonly string[], tls?: Certificate): Promise<Node> {
  const port = await ownPort();
  const proxy = await LossyProxy.start(port);
  return { proxy, server: await RedisServer.with({ port, tls, args: [...NOTHING_KEPT, ...args(proxy.port)] }) };
}

export async function stopNodes(nodes: readonly Node[]): Promise<void> {
  for (const { server, proxy } of nodes) {
    await proxy.stop();
    await server.stop();
  }
}

/** Asks a server once, over a connection of its own. A server that is down rejects. */
export async function ask(server: RedisServer, command: string, ...args: (string | number)[]): Promise<unknown> {
  const eye = server.client({ maxRetriesPerRequest: 0, retryStrategy: () => null });
  try {
    return await eye.call(command, ...args);
  } finally {
    eye.disconnect();
  }
}

export async function isMaster({ server }: Node): Promise<boolean> {
  const [role] = (await ask(server, 'ROLE').catch(() => [])) as string[];
  return role === 'master';
}
