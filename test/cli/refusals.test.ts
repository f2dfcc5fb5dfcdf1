import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CliCommand } from '../../src/cli/command.js';
import { COMMANDS } from '../../src/cli/commands.js';
import { optionsOf } from '../../src/cli/input.js';
import { cli } from '../support/actors/cli.js';

let dir: string;
let listener: Server;
let connections = 0;
let env: Record<string, string>;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'coupon-refusals-'));
  mkdirSync(join(dir, 'folder'));
  writeFileSync(join(dir, 'codes.txt'), 'CODE-1\n');
  listener = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as { port: number };
  env = { REDIS_URL: `redis://127.0.0.1:${port}`, DATABASE_URL: `postgres://shop@127.0.0.1:${port}/shop` };
});
afterAll(() => {
  listener.close();
  rmSync(dir, { recursive: true, force: true });
});

type Wrong = readonly [input: string, line: readonly string[], says: RegExp];

/** The words of its example before the options, with a file that is there. */
function wordsOf({ name, args }: CliCommand): readonly string[] {
  const word = (arg: string) => (/file/.test(arg) ? 'codes.txt' : 'night');
  return [...name.split(' '), ...args.map(word)];
}

const EMPTY = /must be|must match|must not be empty|is missing|cannot be read|is no file/;

/** Each way in which any command line may be wrong, for this command. */
function wrongLines(command: CliCommand): Wrong[] {
  const [words, first] = [wordsOf(command), command.name.split(' ').length];
  const options = Object.entries(optionsOf(command));
  const yes = command.effect === 'final' ? ['--yes'] : [];
  const without = (at: number) => words.filter((_, i) => i !== at);
  const lines: Wrong[] = [
    ['an unknown option', [...words, '--dance'], /unknown option --dance/],
    ['an unknown short option', [...words, '-q'], /unknown option/],
    ['too many words', [...words, 'SECRET-7'], /takes (no|\d) argument/],
  ];
  for (const [i, arg] of command.args.entries()) {
    const at = first + i;
    lines.push([`an empty ${arg}`, words.map((word, n) => (n === at ? '' : word)), EMPTY]);
    if (!arg.startsWith('[') && i === command.args.length - 1) lines.push([`no <${arg}>`, without(at), /is missing/]);
    if (/file/.test(arg)) {
      for (const file of ['nowhere.csv', 'folder']) {
        lines.push([
          `${file} as ${arg}`,
          words.map((word, n) => (n === at ? file : word)),
          /cannot be read|is no file/,
        ]);
      }
    }
  }
  for (const [name, { value }] of options) {
    if (name === 'help' || name === 'version') continue;
    if (!value) lines.push([`--${name} with a value`, [...words, `--${name}=SECRET-7`], /takes no value/]);
    else {
      lines.push([`--${name} without a value`, [...words, `--${name}`], /needs a value/]);
      lines.push([`--${name} with an empty value`, [...words, `--${name}=`], /needs a value/]);
    }
    if (value === 'FILE' && (name !== 'config' || command.name !== 'codes make')) {
      for (const file of ['nowhere.js', 'folder']) {
        const line = [...words, ...yes, ...optionsBeside(command, name), `--${name}`, file];
        lines.push([`--${name} ${file}`, line, /names no file|cannot be read|is no file/]);
      }
    }
  }
  return lines;
}

/** The other options of its example, so that the file is the only thing that is wrong. */
function optionsBeside({ example }: CliCommand, option: string): readonly string[] {
  if (option === 'definition' || option === 'waves') return [];
  const words = example.replace(/ [<>] .*/, '').split(' ');
  const from = words.findIndex((word) => word.startsWith('--'));
  const at = words.indexOf(`--${option}`);
  return from < 0 ? [] : words.slice(from).filter((_, i) => at < 0 || (from + i !== at && from + i !== at + 1));
}

describe.each(COMMANDS.map((command) => [command.name, command] as const))('%s', (_, command) => {
  test.each(wrongLines(command))('refuses %s in one line, and asks no server', async (input, line, says) => {
    const before = connections;
    const { code, stdout, stderr } = await cli(line, { env, cwd: dir });
    expect([input, code, stdout]).toEqual([input, 2, '']);
    expect(stderr).toMatch(/^coupon-issuer: [^\n]+\n$/);
    expect(stderr).toMatch(says);
    expect(stderr).not.toContain('SECRET');
    expect(connections).toBe(before);
  });
});
