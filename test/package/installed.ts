import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
export const ROOT = new URL('../../', import.meta.url).pathname;

/** The entries of the package, as `package.json` names them: `.`, `./postgres`, … */
export const ENTRIES = Object.keys(
  (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { exports: Record<string, unknown> }).exports,
).filter((entry) => entry !== './package.json');

/** What a user imports: `coupon-issuer`, `coupon-issuer/postgres`, … */
export const IMPORTS = ENTRIES.map((entry) => `coupon-issuer${entry.slice(1)}`);

/** What a user has beside it. */
const BESIDE = [
  '@electric-sql/pglite',
  'ioredis',
  'ioredis-mock',
  '@types/node',
  '@types/ioredis-mock',
  '@types/pg',
  'pg',
  'mysql2',
  '@nestjs/common',
  'fastify',
  '@opentelemetry/api',
  'prom-client',
  'reflect-metadata',
  'rxjs',
];

/** A folder with the packed package, installed as a user has it, without asking a registry. */
export class Installed {
  readonly dir: string;
  readonly tarball: string;
  /** The files of the tarball. */
  readonly files: readonly string[];

  private constructor(dir: string, tarball: string, files: readonly string[]) {
    this.dir = dir;
    this.tarball = tarball;
    this.files = files;
  }

  static async create(): Promise<Installed> {
    if (!existsSync(join(ROOT, 'dist/index.js'))) throw new Error('dist is missing: npm run build');
    const dir = mkdtempSync(join(tmpdir(), 'coupon-package-'));
    const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', dir];
    const { stdout } = await execute('npm', pack, { cwd: ROOT });
    const [packed] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
    const tarball = join(dir, packed.filename);
    const modules = join(dir, 'node_modules');
    mkdirSync(join(modules, 'coupon-issuer'), { recursive: true });
    await execute('tar', ['-xzf', tarball, '-C', join(modules, 'coupon-issuer'), '--strip-components=1']);
    for (const name of BESIDE) {
      mkdirSync(join(modules, name, '..'), { recursive: true });
      symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
    }
    const files = packed.files.map(({ path }) => path);
    return new Installed(dir, tarball, files);
  }

  write(file: string, text: string): string {
    writeFileSync(join(this.dir, file), text);
    return join(this.dir, file);
  }

  /** Runs a file of the folder in a process of its own and answers what it printed. */
  async node(...args: string[]): Promise<string> {
    return (await execute(process.execPath, args, { cwd: this.dir })).stdout;
  }

  /** The output of a tool, also of one that fails: a rejection alone would not say what is wrong. */
  async tool(name: string, args: string[]): Promise<{ failed: boolean; output: string }> {
    try {
      const { stdout, stderr } = await execute(join(ROOT, 'node_modules/.bin', name), args, { cwd: this.dir });
      return { failed: false, output: `${stdout}${stderr}` };
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      return { failed: true, output: `${stdout}${stderr}` };
    }
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
