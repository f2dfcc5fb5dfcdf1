// A server that the tests start themselves has to be there. Where it is missing it is installed with the system's package manager, if this runs
// as root or under CI; otherwise the one command to run is printed.
import { execFileSync, spawnSync } from 'node:child_process';

/** `command` is the server's executable, `package` the system's package of it, `version` the oldest that will do. */
export function ensureServer({ command, package: name, version }) {
  if (isPresent(command)) return;
  const root = process.getuid?.() === 0;
  if (!root && !process.env.CI) {
    stop(
      `${command} is missing. Install it, for example with: sudo apt-get install -y --no-install-recommends ${name}`,
    );
  }
  const sudo = root ? [] : ['sudo', '-n'];
  process.stdout.write(`${command} is missing, installing it …\n`);
  try {
    for (const args of [
      ['update', '-qq'],
      ['install', '-y', '-qq', '--no-install-recommends', name],
    ]) {
      const [first, ...rest] = [...sudo, 'apt-get', ...args];
      execFileSync(first, rest, {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      });
    }
  } catch {
    stop(`${name} could not be installed. Install version ${version} or newer and run this again.`);
  }
  if (!isPresent(command)) stop(`${name} was installed, yet ${command} cannot be started.`);
}

function isPresent(command) {
  // Debian keeps some servers where only root looks for them.
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
  return spawnSync(command, ['--version'], { stdio: 'ignore', env }).status === 0;
}

function stop(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
