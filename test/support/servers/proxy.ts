import { createServer, type Server, Socket } from 'node:net';

/** What a proxy did to the traffic, counted: a test that injects a fault asserts that it was injected. */
export interface Injected {
  /** Replies lost with their connection. */
  lost: number;
  /** Replies of which only the first bytes arrived. */
  cut: number;
  /** Connections reset. */
  reset: number;
  /** Pieces of traffic held back by a black hole. */
  swallowed: number;
  /** Replies delayed. */
  delayed: number;
  /** Connections of a severed kind that were cut or refused. */
  severed: number;
}

/** A TCP proxy in front of a server. It passes everything on until it is told to do harm. */
export class LossyProxy {
  readonly port: number;
  readonly injected: Injected = { lost: 0, cut: 0, reset: 0, swallowed: 0, delayed: 0, severed: 0 };
  readonly #server: Server;
  #target: number;
  readonly #links = new Set<Link>();
  #trap: { readonly marker: string; readonly bytes: number } | null = null;
  #severed: string | null = null;
  #delayMs = 0;
  #holding = false;

  private constructor(server: Server, target: number) {
    this.#server = server;
    this.#target = target;
    this.port = (server.address() as { port: number }).port;
  }

  static async start(targetPort: number): Promise<LossyProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = new LossyProxy(server, targetPort);
    server.on('connection', (client) => proxy.#connect(client, proxy.#target));
    return proxy;
  }

  /** How many replies were lost. */
  get lost(): number {
    return this.injected.lost;
  }

  /** The next command that contains `marker` runs, and its reply is lost with the connection. */
  loseReplyTo(marker: string): void {
    this.#trap = { marker, bytes: 0 };
  }

  /** The next command that contains `marker` runs; of what comes back only the first bytes arrive, then the connection ends. */
  cutReplyTo(marker: string, bytes: number): void {
    this.#trap = { marker, bytes };
  }

  /** Resets every connection. New ones are served. */
  reset(): void {
    for (const link of this.#links) {
      this.injected.reset++;
      link.client.resetAndDestroy();
    }
  }

  /** Half open: connections stay, new ones are accepted, and nothing passes in either direction. */
  hold(): void {
    this.#holding = true;
  }

  /** The network is back: what was held back arrives now, as TCP would send it again, or its connections are dead. */
  release(held: 'arrives' | 'is dead'): void {
    this.#holding = false;
    for (const link of this.#links) {
      if (held === 'is dead') link.client.resetAndDestroy();
      else for (const pass of link.held.splice(0)) pass();
    }
  }

  /** New connections go to another server; those that are open stay where they are, as behind the one address of a managed service. */
  moveTo(port: number): void {
    this.#target = port;
  }

  /** Every reply takes so much longer. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** Cuts each connection on which the client said `marker` when it opened, and each new one that says it, until `mend`. */
  sever(marker: string): void {
    this.#severed = marker;
    for (const link of this.#links) this.#cutIfSevered(link);
  }

  mend(): void {
    this.#severed = null;
  }

  async stop(): Promise<void> {
    for (const link of this.#links) link.client.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #connect(client: Socket, targetPort: number): void {
    const upstream = new Socket();
    upstream.connect(targetPort, '127.0.0.1');
    const link: Link = { client, upstream, opening: '', left: null, late: [], held: [] };
    this.#links.add(link);
    for (const socket of [client, upstream]) {
      socket.on('error', () => {});
      socket.on('close', () => {
        client.destroy();
        upstream.destroy();
        this.#links.delete(link);
      });
    }
    client.on('data', (data) => this.#pass(link, () => this.#forward(link, data)));
    upstream.on('data', (data) => this.#pass(link, () => this.#answer(link, data)));
  }

  /** In order, now or when the black hole ends. */
  #pass(link: Link, pass: () => void): void {
    if (!this.#holding) {
      pass();
      return;
    }
    this.injected.swallowed++;
    link.held.push(pass);
  }

  #forward(link: Link, data: Buffer): void {
    if (link.opening.length < OPENING) link.opening += data.toString('latin1', 0, OPENING);
    if (this.#cutIfSevered(link)) return;
    if (this.#trap && data.includes(this.#trap.marker)) {
      link.left = this.#trap.bytes;
      this.#trap = null;
    }
    link.upstream.write(data);
  }

  #answer(link: Link, data: Buffer): void {
    if (link.left !== null) this.#end(link, data, link.left);
    else if (this.#delayMs === 0 && link.late.length === 0) link.client.write(data);
    else {
      this.injected.delayed++;
      // In order: a reply that overtook another would be taken for the answer to another command.
      link.late.push(data);
      setTimeout(() => link.client.write(link.late.shift()!), this.#delayMs);
    }
  }

  #end(link: Link, data: Buffer, left: number): void {
    if (data.length < left) {
      link.client.write(data);
      link.left = left - data.length;
      return;
    }
    if (left === 0) this.injected.lost++;
    else this.injected.cut++;
    link.upstream.destroy();
    if (left > 0) link.client.end(data.subarray(0, left));
    else link.client.destroy();
  }

  #cutIfSevered(link: Link): boolean {
    if (this.#severed === null || !link.opening.includes(this.#severed)) return false;
    this.injected.severed++;
    link.client.destroy();
    return true;
  }
}

interface Link {
  readonly client: Socket;
  readonly upstream: Socket;
  /** The first that its client said. */
  opening: string;
  /** How many bytes of the reply still pass before the connection ends. */
  left: number | null;
  /** Replies that are delayed. */
  readonly late: Buffer[];
  /** What a black hole keeps. */
  readonly held: (() => void)[];
}

const OPENING = 4096;
