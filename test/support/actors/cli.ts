import { type ChildProcess, spawn } from 'node:child_process';
import { PassThrough, Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { main } from '../../../src/cli/main.js';

export interface CliRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliSurroundings {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: string;
  /** The streams at whose other end a person sits. */
  readonly terminals?: readonly ('stdin' | 'stdout' | 'stderr')[];
  readonly signal?: AbortSignal;
}

class Kept extends Writable {
  text = '';

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk;
    done();
  }
}

/** Runs the command within this process. */
export async function cli(args: readonly string[], of: CliSurroundings = {}): Promise<CliRun> {
  const isTTY = (name: 'stdin' | 'stdout' | 'stderr') => ({ isTTY: of.terminals?.includes(name) ?? false });
  const [stdout, stderr] = [Object.assign(new Kept(), isTTY('stdout')), Object.assign(new Kept(), isTTY('stderr'))];
  const given = of.stdin === undefined ? new PassThrough().end() : Readable.from([Buffer.from(of.stdin)]);
  const stdin = Object.assign(given as Readable, isTTY('stdin'));
  const { env = {}, cwd = process.cwd(), signal = new AbortController().signal } = of;
  const code = await main(args, { env, cwd, stdin, stdout, stderr, signal });
  return { code, stdout: stdout.text, stderr: stderr.text };
}

export const CLI = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url));

/** The built command in a process of its own. */
export class CliProcess {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  readonly ended: Promise<CliRun>;

  constructor(args: readonly string[], { env = {}, cwd = process.cwd(), stdin = '' }: CliSurroundings = {}) {
    // Nothing of this process: neither its colours nor its servers.
    const own = { PATH: process.env.PATH, HOME: process.env.HOME, ...env };
    this.child = spawn(process.execPath, [CLI, ...args], { env: own, cwd });
    this.child.stdout!.on('data', (data: Buffer) => {
      this.stdout += data;
    });
    this.child.stderr!.on('data', (data: Buffer) => {
      this.stderr += data;
    });
    this.child.stdin!.on('error', () => {});
    this.child.stdin!.end(stdin);
    this.ended = new Promise((resolve) => {
      this.child.once('close', (code) => resolve({ code, stdout: this.stdout, stderr: this.stderr }));
    });
  }
}

/** The objects of an output with `--json`. */
export function linesOf(stdout: string): Record<string, unknown>[] {
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}
