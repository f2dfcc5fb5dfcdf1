import { createServer, type Server } from 'node:net';

/**
 * A port that is free on 127.0.0.1, and that no other test of this machine is given until this process ends. So two
 * servers that start at once never want the same port, and a server that was killed finds its own port free again. That
 * is also why it lies below the ports that the kernel gives to connections.
 */
export async function ownPort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = 11_000 + Math.floor(Math.random() * 20_000);
    // A name without a file, which Linux forgets with its process. Elsewhere a port is free, but nobody's own.
    const claim = await listen({ path: `\0coupon-issuer-port-${port}` });
    if (claim === 'taken') continue;
    const probe = await listen({ port, host: '127.0.0.1' });
    if (probe !== 'taken') {
      await new Promise((resolve) => probe?.close(resolve));
      return port;
    }
    claim?.close();
  }
  throw new Error('no free port was found');
}

/** `null`: this machine has no such address. */
function listen(at: { path: string } | { port: number; host: string }): Promise<Server | 'taken' | null> {
  const server = createServer().unref();
  return new Promise((resolve) => {
    server.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'EADDRINUSE' ? 'taken' : null));
    server.listen(at, () => resolve(server));
  });
}
