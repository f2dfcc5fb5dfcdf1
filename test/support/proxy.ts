import { createServer, type Server, Socket } from 'node:net';

/** A TCP proxy in front of a redis-server that can let a script run and lose its reply with the connection. */
export class LossyProxy {
  readonly port: number;
  /** How many replies were lost: a test that loses one asserts that it did. */
  lost = 0;
  #marker: string | null = null;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as { port: number }).port;
  }

  static async start(targetPort: number): Promise<LossyProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = new LossyProxy(server);
    server.on('connection', (client) => proxy.#connect(client, targetPort));
    return proxy;
  }

  /** The next command that contains `marker` runs, and its reply is lost. */
  loseReplyTo(marker: string): void {
    this.#marker = marker;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #connect(client: Socket, targetPort: number): void {
    const upstream = new Socket();
    upstream.connect(targetPort, '127.0.0.1');
    let losing = false;
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        client.destroy();
        upstream.destroy();
        this.#sockets.delete(socket);
      });
    }
    client.on('data', (data) => {
      if (this.#marker && data.includes(this.#marker)) {
        losing = true;
        this.#marker = null;
      }
      upstream.write(data);
    });
    upstream.on('data', (data) => {
      if (!losing) {
        client.write(data);
        return;
      }
      this.lost++;
      client.destroy();
    });
  }
}
