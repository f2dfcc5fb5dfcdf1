// Unpacks packages of another suite of Debian, with all that they need, into a folder of the project. Nothing is installed. The programs are told where
// their loader and their libraries lie, because those of the system may be older.
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

const KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Answers the path of the first program. Throws with the reason if the packages cannot be had. */
export function unpackServer({ into, suite, packages, programs }) {
  const program = join(into, programs[0]);
  if (existsSync(program)) return program;
  const part = `${into}.part`;
  for (const left of [part, into]) rmSync(left, { recursive: true, force: true });
  try {
    for (const archive of download(part, suite, ['patchelf', ...packages]))
      run('dpkg-deb', ['-x', archive, join(part, 'root')]);
    useOwnLibraries(join(part, 'root'), into, programs);
    renameSync(join(part, 'root'), into);
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
  return program;
}

/** The archives of the packages, in a folder with a state of its own: apt takes nothing for installed. */
function download(dir, suite, packages) {
  for (const folder of ['lists/partial', 'archives/partial']) mkdirSync(join(dir, folder), { recursive: true });
  const file = (name, text) => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const settings = {
    'Dir::State': dir,
    'Dir::State::lists': join(dir, 'lists'),
    'Dir::State::status': file('status', ''),
    'Dir::Cache': dir,
    'Dir::Cache::archives': join(dir, 'archives'),
    'Dir::Etc::sourcelist': file('sources.list', `deb [signed-by=${KEYS}] ${archiveOfDebian()} ${suite} main\n`),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'APT::Install-Recommends': 'false',
    'APT::Sandbox::User': 'root',
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} "${value}";\n`);
  const env = { ...process.env, APT_CONFIG: file('apt.conf', lines.join('')) };
  run('apt-get', ['update', '-qq'], env);
  run('apt-get', ['install', '-qq', '-y', '--download-only', ...packages], env);
  const archives = join(dir, 'archives');
  return readdirSync(archives)
    .filter((name) => name.endsWith('.deb'))
    .map((name) => join(archives, name));
}

/** Where this system gets its own packages from. */
function archiveOfDebian() {
  const [, release] = /^VERSION_CODENAME=(.*)$/m.exec(readFileSync('/etc/os-release', 'utf8')) ?? [];
  const targets = run('apt-get', ['indextargets', '--format', '$(RELEASE) $(REPO_URI)']).split('\n');
  const found = targets.find((line) => line.startsWith(`${release} `));
  if (!found) throw new Error('apt-get names no archive of this system');
  return found.split(' ')[1];
}

/** Writes the loader and the folders of libraries into the programs, as they will lie there in the end. */
function useOwnLibraries(root, final, programs) {
  const folders = ['usr/lib', 'lib', 'usr/lib64', 'lib64'].filter((name) => existsSync(join(root, name)));
  const inFolders = (pattern) =>
    folders.flatMap((folder) =>
      readdirSync(join(root, folder))
        .filter((name) => pattern.test(name))
        .map((name) => join(folder, name)),
    );
  const [loader] = inFolders(/^ld-linux-.*\.so\.\d$/);
  const libraries = (base) =>
    inFolders(/-linux-gnu$/)
      .map((name) => join(base, name))
      .join(':');
  const patchelf = ['--library-path', libraries(root), join(root, 'usr/bin/patchelf')];
  const words = ['--set-interpreter', join(final, loader), '--force-rpath', '--set-rpath', libraries(final)];
  for (const name of programs) run(join(root, loader), [...patchelf, ...words, realpathSync(join(root, name))]);
}

function run(command, args, env = process.env) {
  try {
    return execFileSync(command, args, {
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 2 ** 26,
    });
  } catch (error) {
    const [line] = String(error.stderr || error.message)
      .trim()
      .split('\n')
      .slice(-1);
    throw new Error(`${command}: ${line}`);
  }
}
