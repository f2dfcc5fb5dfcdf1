import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

/** What is said to a client and then hung up: an error of the server or a pooler, or nothing. */
export interface Saying {
  readonly code: string;
  readonly message: string;
}

/** Speaks as much of PostgreSQL's protocol as it takes to refuse. Servers and poolers that a test run does not have are played by it. */
export class FakePostgres {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {});
    });
  }

  /** Refuses each connection. `null`: it hangs up without a word. */
  static refusing(saying: Saying | null): Promise<FakePostgres> {
    return FakePostgres.#listening((socket) => {
      socket.once('data', () => socket.end(saying ? fatal(saying) : ''));
    });
  }

  /** Takes each connection, and refuses the first statement on it. */
  static refusingStatements(saying: Saying | null): Promise<FakePostgres> {
    return FakePostgres.#listening((socket) => {
      socket.once('data', () => {
        socket.write(Buffer.concat([message('R', Buffer.alloc(4)), message('Z', Buffer.from('I'))]));
        socket.once('data', () => socket.end(saying ? fatal(saying) : ''));
      });
    });
  }

  /** Takes connections and never says a word. */
  static silent(): Promise<FakePostgres> {
    return FakePostgres.#listening(() => {});
  }

  static async #listening(talk: (socket: Socket) => void): Promise<FakePostgres> {
    const server = createServer(talk).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new FakePostgres(server);
  }

  get address(): { host: string; port: number; user: string; database: string } {
    const { port } = this.#server.address() as AddressInfo;
    return { host: '127.0.0.1', port, user: 'app', database: 'shop' };
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

function fatal({ code, message: words }: Saying): Buffer {
  return message('E', Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${words}\0\0`));
}

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}
