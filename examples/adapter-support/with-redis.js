// Runs a command on a Redis of its own, which it finds under REDIS_URL: `node with-redis.js node --test`. Needs a
// redis-server in the PATH. Nothing is kept on disk.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';

const [command, ...args] = process.argv.slice(2);
const port = await freePort();
const server = spawn(
  'redis-server',
  ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', tmpdir()].map(String),
  { stdio: ['ignore', 'pipe', 'ignore'] },
);
await new Promise((resolve, reject) => {
  let log = '';
  server.stdout.on('data', (data) => {
    log += data;
    if (log.includes('Ready to accept connections')) resolve();
  });
  server.once('error', reject);
  server.once('exit', (status) => reject(new Error(`redis-server exited with ${status}: ${log}`)));
});

const env = { ...process.env, REDIS_URL: `redis://127.0.0.1:${port}` };
const child = spawn(command, args, { stdio: 'inherit', env });
const [code] = await once(child, 'exit');
const stopped = once(server, 'exit');
server.kill();
await stopped;
process.exit(code ?? 1);

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}
