// The processes of the tests: each is a script of this folder.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** One campaign for all test files. */
export const STOCK = 300;

/** Runs a script to its end. */
export async function run(script, env = {}) {
  const [code] = await once(start(script, env), 'exit');
  if (code !== 0) throw new Error(`${script} ended with ${code}`);
}

/** A server on a port of its own, once it listens. */
export async function serve(env = {}) {
  const child = start('server.js', { PORT: '0', ...env });
  let log = '';
  const url = await new Promise((resolve, reject) => {
    child.stdout.on('data', (data) => {
      log += data;
      const [, address] = /Server listening at (http:[^"]+)"/.exec(log) ?? [];
      if (address) resolve(address);
    });
    child.once('exit', (code) => reject(new Error(`server.js ended with ${code}: ${log}`)));
  });
  return {
    url,
    /** How many requests arrived. */
    requests: () => log.split('"incoming request"').length - 1,
    /** Asks the process to end, and answers its exit code. */
    async stop() {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      return (await exited)[0];
    },
  };
}

function start(script, env) {
  const path = fileURLToPath(new URL(script, import.meta.url));
  return spawn(process.execPath, [path], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, STOCK, ...env },
  });
}
