import { createServer, type Server } from 'node:net';

/** A second address of this machine. Whoever listens there has the port of that number on the first one, too. */
const CLAIMS = '127.0.0.2';

/**
 * A port of 127.0.0.1 that is free, and that no other test of this machine is given until this process ends. So two servers
 * that start at once never want the same port, and a server that was killed finds its own port free again. That is also why
 * it lies below the ports that the kernel gives to connections.
 */
export async function ownPort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = 11_000 + Math.floor(Math.random() * 20_000);
    const claim = await listen(port, CLAIMS);
    if (claim === 'taken') continue;
    const probe = await listen(port, '127.0.0.1');
    if (probe !== 'taken') {
      await new Promise((resolve) => probe?.close(resolve));
      return port;
    }
    claim?.close();
  }
  throw new Error('no free port was found');
}

/** `null` where the machine has no such address, as macOS: a port there is free, but nobody's own. */
function listen(port: number, address: string): Promise<Server | 'taken' | null> {
  const server = createServer().unref();
  return new Promise((resolve) => {
    server.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'EADDRINUSE' ? 'taken' : null));
    server.listen(port, address, () => resolve(server));
  });
}
