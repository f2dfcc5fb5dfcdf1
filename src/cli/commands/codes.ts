import { createReadStream, statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { assertText } from '../../model/check.js';
import { generateCodes } from '../../model/codes.js';
import { messageOf } from '../../model/foreign.js';
import type { LoadResult } from '../../operate/load-codes.js';
import { type ReadCodesOptions, readCodes } from '../../read-codes/index.js';
import type { CliCommand, CliOption, CommandSession, Rehearsal } from '../command.js';
import { codeOf, Interrupted, UsageError } from '../faults.js';
import type { CliInput } from '../input.js';
import { fieldsOf, jsonOf } from '../output.js';
import { Progress } from '../progress.js';

/** How a file of codes is read. */
export const CODE_FILE: Readonly<Record<string, CliOption>> = {
  column: { value: 'NAME', help: 'the column of the codes: its name in the first line, or its number from 1' },
  delimiter: { value: 'SIGN', help: 'between columns: , or ; or tab; default: the one of the first line' },
  header: { help: 'the first line names the columns' },
  'no-header': { help: 'the first line is a code' },
  'as-they-are': { help: 'take white space and other unusual signs of codes as they are' },
};

/** Throws `UsageError`; the rest is checked by `readCodes`. */
export function codeFileOf(input: CliInput): ReadCodesOptions {
  const column = input.text('column');
  const delimiter = input.text('delimiter');
  if (input.has('header') && input.has('no-header')) throw new UsageError('give --header or --no-header, not both');
  const header = input.has('header') ? true : input.has('no-header') ? false : undefined;
  const options = {
    column: column !== undefined && /^\d{1,4}$/.test(column) ? Number(column) : column,
    delimiter: (delimiter === 'tab' ? '\t' : delimiter) as ReadCodesOptions['delimiter'],
    header,
    asTheyAre: input.has('as-they-are'),
  };
  // A file of one code, to have the options checked.
  readCodes('x\n', options);
  return options;
}

interface OpenedFile {
  readonly codes: AsyncIterableIterator<string>;
  /** How much of the file was read, 0 to 1; `null` for stdin. */
  readonly part: () => number | null;
}

/** Before any server is asked. Throws `UsageError`. */
export function assertCodeFile(input: CliInput, file: string): void {
  if (file !== '-') sizeOf(input.pathOf(file));
}

/** The codes of a file; `-` is stdin. */
function openCodes({ world }: Rehearsal, file: string, options: ReadCodesOptions): OpenedFile {
  if (file === '-') return { codes: readCodes(world.stdin, options), part: () => null };
  const path = resolve(world.cwd, file);
  const size = sizeOf(path);
  const stream = createReadStream(path);
  return { codes: readCodes(stream, options), part: () => (size === 0 ? 1 : stream.bytesRead / size) };
}

/** The codes of several files, one after the other. `onCode` is called with each. */
export async function* openLists(
  at: Rehearsal,
  files: readonly string[],
  options: ReadCodesOptions,
  onCode: (code: string) => unknown,
): AsyncGenerator<string> {
  for (const file of files) {
    for await (const code of openCodes(at, file, options).codes) {
      onCode(code);
      yield code;
    }
  }
}

function sizeOf(path: string): number {
  try {
    const stat = statSync(path);
    if (stat.isFile()) return stat.size;
  } catch (error) {
    throw new UsageError(`the file of codes cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  throw new UsageError('the file of codes is no file');
}

const make: CliCommand = {
  name: 'codes make',
  summary: 'Print new random codes, one a line. Keep them in a file: import loads it, and rebuild needs it.',
  args: [],
  options: { count: { value: 'N', help: '1 to 1,000,000' } },
  example: 'codes make --count 1000 > codes.txt',
  effect: 'reads',
  prepare: (input) => {
    input.needed('count');
    const count = input.integer('count')!;
    if (count < 1 || count > 1_000_000) throw new UsageError('--count must be a whole number from 1 to 1000000');
    return {
      connects: false,
      run: async ({ out }) => {
        const codes = generateCodes({ count });
        for (let from = 0; from < count; from += 1_000) {
          const lines = codes.slice(from, from + 1_000).map((code) => (out.json ? jsonOf({ code }) : code));
          await out.text(`${lines.join('\n')}\n`);
        }
        return undefined;
      },
    };
  },
};

const load: CliCommand = {
  name: 'codes import',
  summary: 'Load codes into the pool of a campaign. After a stop, the same command goes on where it stopped.',
  args: ['campaign', 'file'],
  options: {
    ...CODE_FILE,
    'load-id': { value: 'ID', help: 'names this list; default: the name of the file' },
  },
  example: 'codes import night partner.csv --column code --load-id first',
  effect: 'changes',
  prepare: (input) => {
    const { campaign: id } = input;
    const file = input.args[1]!;
    const options = codeFileOf(input);
    assertCodeFile(input, file);
    const loadId = input.text('load-id') ?? (file === '-' ? undefined : basename(file));
    if (loadId !== undefined) assertText('loadId', loadId);
    return {
      does: `load codes into campaign ${id}`,
      rehearse: async (at) => `load ${await countIn(at, [file], options)} into campaign ${id}`,
      run: (session) => importCodes(session, { id, file, options, loadId }),
    };
  },
};

/** Reads the whole file, so that a bad line is found before the night. */
export async function countIn(at: Rehearsal, files: readonly string[], options: ReadCodesOptions): Promise<string> {
  const found = new Set<string>();
  let count = 0;
  for await (const code of openLists(at, files, options, () => count++)) found.add(code);
  const repeats = count - found.size;
  return repeats === 0 ? `${count} codes` : `${found.size} codes (${repeats} are on the list twice)`;
}

interface Import {
  readonly id: string;
  readonly file: string;
  readonly options: ReadCodesOptions;
  readonly loadId: string | undefined;
}

async function importCodes(session: CommandSession, { id, file, options, loadId }: Import): Promise<undefined> {
  const { issuer, out, world } = session;
  const { codes, part } = openCodes(session, file, options);
  const progress = new Progress(out, 'codes');
  let last: LoadResult | null = null;
  const onProgress = (result: LoadResult) => {
    last = result;
    progress.at({ done: result.read, part: part() });
  };
  const { asTheyAre } = options;
  try {
    const result = await issuer
      .campaign(id)
      .loadCodes(codes, { loadId, asTheyAre, onProgress, signal: world.signal })
      .finally(() => progress.end());
    await out.item({ id, loadId, ...result }, () =>
      fieldsOf({
        loaded: result.loaded,
        duplicates: result.duplicates,
        'first duplicates': result.firstDuplicates.map((place) => `code ${place}`).join(', ') || undefined,
        'loaded before': result.resumedAt || undefined,
        total: result.total,
      }),
    );
    return undefined;
  } catch (error) {
    const read = (last as LoadResult | null)?.read ?? 0;
    if (!world.signal.aborted) throw read > 0 ? stoppedAfter(read, error) : error;
    throw new Interrupted(`stopped after ${read} codes of the file, which are loaded; run the same command to go on`);
  }
}

/** A wrong line behind codes that are loaded already is no wrong call: something was written. */
function stoppedAfter(read: number, error: unknown): Error {
  const cause = codeOf(error) === 'INVALID_ARGUMENT';
  if (!cause) return error as Error;
  const cure = 'correct the line and run the same command to go on';
  return new Error(`${messageOf(error)}. ${read} codes before it are loaded: ${cure}`);
}

const count: CliCommand = {
  name: 'codes count',
  summary: 'Count the codes of a pool.',
  args: ['campaign'],
  options: {},
  example: 'codes count night',
  effect: 'reads',
  prepare: ({ campaign: id }) => ({
    run: async ({ issuer, out }) => {
      const { stock, total, available, reserved, issued, withdrawn } = await issuer.campaign(id).inspect();
      if (stock !== 'codes') throw new Error(`campaign ${id} has no pool of codes: its stock is ${stock}`);
      const counts = { total, available, reserved, issued, withdrawn };
      await out.item({ id, ...counts }, () => fieldsOf(counts));
      return undefined;
    },
  }),
};

const replace: CliCommand = {
  name: 'codes replace',
  summary: 'Replace a code that is still in the pool. Stdin has two lines: the code, and its replacement.',
  args: ['campaign'],
  options: {
    code: { value: '-', help: 'read both from stdin' },
    'as-they-are': CODE_FILE['as-they-are']!,
  },
  example: 'codes replace night --code - < two-lines.txt',
  effect: 'changes',
  prepare: (input) => {
    const { campaign: id } = input;
    input.assertFromStdin('code');
    return {
      does: `replace a code of campaign ${id}`,
      run: async ({ issuer, out, secretLine }) => {
        const change = {
          code: await secretLine('the code'),
          replacement: await secretLine('its replacement'),
          asTheyAre: input.has('as-they-are'),
        };
        const { status } = await issuer.campaign(id).replaceCode(change);
        await out.item({ id, status }, () => [status]);
        return status === 'replaced' ? undefined : 3;
      },
    };
  },
};

export const CODES: readonly CliCommand[] = [make, load, count, replace];
