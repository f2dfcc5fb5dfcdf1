// Release 0.1, to be compared with today's build in the same rounds: its sources are in this repository, and nothing but Node runs with them. It is built
// once, by the packages that build this one, into a folder that git does not look at.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const RELEASE = '6743a2897e55da216ff611f77826a72e61e7553b';
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PACKAGES = `${ROOT}node_modules`;
const CACHE = `${PACKAGES}/.cache/`;
const BUILT = `${CACHE}coupon-issuer-0.1`;
const run = promisify(execFile);

/** The folder of its `dist`, or why there is none: `{ dist }` or `{ missing }`. */
export async function buildRelease() {
  try {
    if (!existsSync(BUILT)) await build();
    return { dist: `${BUILT}/dist` };
  } catch (error) {
    return {
      missing: String(error.stderr || error.message)
        .trim()
        .split('\n')[0],
    };
  }
}

async function build() {
  await run('git', ['cat-file', '-e', `${RELEASE}^{commit}`], { cwd: ROOT });
  mkdirSync(CACHE, { recursive: true });
  const dir = mkdtempSync(`${BUILT}-`);
  try {
    const archive = `${dir}/sources.tar`;
    await run('git', ['archive', '--output', archive, RELEASE], { cwd: ROOT });
    await run('tar', ['-xf', archive, '-C', dir]);
    symlinkSync(PACKAGES, `${dir}/node_modules`);
    await run(process.execPath, ['node_modules/tsup/dist/cli-default.js', '--silent', '--no-dts', '--format', 'esm'], {
      cwd: dir,
    });
    rmSync(archive);
    renameSync(dir, BUILT);
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
}
