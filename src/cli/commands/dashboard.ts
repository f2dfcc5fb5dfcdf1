import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type DashboardUser, nodeDashboard } from '../../dashboard/index.js';
import { onAbort } from '../../flow/abort-group.js';
import type { CliCommand, CommandSession } from '../command.js';
import { UsageError } from '../faults.js';

const MOST_PORTS = 65_535;
const BEARER = /^Bearer ([\w-]{1,100})$/;

const dashboard: CliCommand = {
  name: 'dashboard',
  summary: 'Serve the dashboard on 127.0.0.1, until SIGTERM or SIGINT.',
  args: [],
  options: {
    port: { value: 'N', help: 'default: a free one' },
    write: { help: 'let it change campaigns; default: read only' },
  },
  example: 'dashboard --write',
  effect: 'reads',
  prepare: (input) => {
    const port = input.integer('port') ?? 0;
    if (port < 0 || port > MOST_PORTS) throw new UsageError(`--port must be from 1 to ${MOST_PORTS}`);
    const user: DashboardUser = { role: input.has('write') ? 'write' : 'read', name: 'operator' };
    return { run: (session) => serve(session, port, user) };
  },
};

/** The token is new at each start, and printed once. */
async function serve(session: CommandSession, port: number, user: DashboardUser): Promise<undefined> {
  const { issuer, out, world, errorLine } = session;
  const token = randomBytes(24).toString('base64url');
  const server = createServer();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const { port: taken } = server.address() as AddressInfo;
  const hosts = ['127.0.0.1', 'localhost'].map((host) => `${host}:${taken}`);
  const onError = (error: unknown) => out.note(`coupon-issuer: ${errorLine(error)}`);
  server.on('request', nodeDashboard(issuer, { authorize: byToken(token, user), hosts, onError }));
  const url = `http://127.0.0.1:${taken}/#token=${token}`;
  await out.item({ url, role: user.role }, () => [url]);
  out.note(`the dashboard runs${user.role === 'read' ? ', read only without --write' : ''}; SIGTERM stops it`);
  await new Promise<void>((resolve) => onAbort(world.signal, resolve));
  await stop(server);
  return undefined;
}

/** The page itself has no secret, and brings the token to the calls of its API. */
function byToken(token: string, user: DashboardUser): (request: IncomingMessage) => DashboardUser | null {
  const expected = digest(token);
  return ({ url, headers }) => {
    if (!url?.startsWith('/api/')) return { role: 'read', name: 'nobody' };
    const given = BEARER.exec(headers.authorization ?? '')?.[1] ?? '';
    return timingSafeEqual(digest(given), expected) ? user : null;
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

async function stop(server: Server): Promise<void> {
  server.close();
  server.closeAllConnections();
  if (server.listening) await once(server, 'close');
}

export const DASHBOARD: readonly CliCommand[] = [dashboard];
