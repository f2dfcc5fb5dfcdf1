// The tests and the benchmark run on a real redis-server. Where it is missing it is installed with the system's package manager, if this
// runs as root or under CI; otherwise the one command to run is printed.
import { execFileSync, spawnSync } from 'node:child_process';

if (!present()) {
  const root = process.getuid?.() === 0;
  if (!root && !process.env.CI)
    stop('redis-server is missing. Install it, for example with: sudo apt-get install -y redis-server');
  const sudo = root ? [] : ['sudo', '-n'];
  process.stdout.write('redis-server is missing, installing it …\n');
  try {
    for (const args of [
      ['update', '-qq'],
      ['install', '-y', '-qq', '--no-install-recommends', 'redis-server'],
    ]) {
      const [command, ...rest] = [...sudo, 'apt-get', ...args];
      execFileSync(command, rest, {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      });
    }
  } catch {
    stop('redis-server could not be installed. Install version 6.2 or newer and run this again.');
  }
  if (!present()) stop('redis-server was installed, yet cannot be started.');
}

function present() {
  return spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status === 0;
}

function stop(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
