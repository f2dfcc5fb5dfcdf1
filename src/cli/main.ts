import { VERSION } from '../model/version.js';
import type { CliCommand, CommandSession, PreparedCommand } from './command.js';
import { commandOf } from './commands.js';
import { asOptions, exitOf, inOptions, Secrets, UsageError } from './faults.js';
import { groupHelp, helpOf, overview } from './help.js';
import { CliInput, hasFlag, wordsOf } from './input.js';
import { Output } from './output.js';
import { StdinLines } from './stdin.js';
import { connect, type Wiring } from './wiring.js';
import { type CliWorld, EXIT } from './world.js';

/** Runs one command line and returns its exit code. Never rejects. */
export async function main(
  line: readonly string[],
  world: CliWorld,
  secrets: Secrets = new Secrets(world.env),
): Promise<number> {
  const out = new Output(world, hasFlag(line, 'json'));
  let command: CliCommand | null = null;
  try {
    if (hasFlag(line, 'version')) return await said(out, VERSION);
    const words = wordsOf(line);
    const isHelp = words[0] === 'help';
    if (isHelp) words.shift();
    command = commandOf(words);
    if (isHelp || hasFlag(line, 'help')) return await said(out, helpFor(command, words));
    if (!command) return missing(out, words);
    return await run(command, { line, world, out, secrets });
  } catch (error) {
    const code = exitOf(error, world);
    const options = Object.keys(command?.options ?? {});
    const shown = inOptions(secrets.lineOf(asOptions(error, options)), options);
    if (code !== EXIT.done) out.note(`coupon-issuer: ${shown}`);
    return code;
  }
}

async function said(out: Output, text: string): Promise<number> {
  await out.text(`${text}\n`);
  return EXIT.done;
}

function helpFor(command: CliCommand | null, words: readonly string[]): string {
  return command ? helpOf(command) : (groupHelp(words[0]) ?? overview());
}

/** Words that name no command. A group alone, and nothing at all, are answered with the commands that there are. */
function missing(out: Output, words: readonly string[]): number {
  const [word] = words;
  const group = groupHelp(word);
  if (group || word === undefined) out.note(group ?? overview());
  const isName = word !== undefined && /^[a-z-]{1,20}$/.test(word);
  if (!group && word !== undefined) {
    out.note(
      `coupon-issuer: ${isName ? `'${word}' is no command` : 'no such command'}; coupon-issuer --help lists them`,
    );
  }
  return EXIT.usage;
}

interface RunOf {
  readonly line: readonly string[];
  readonly world: CliWorld;
  readonly out: Output;
  readonly secrets: Secrets;
}

async function run(command: CliCommand, { line, world, out, secrets }: RunOf): Promise<number> {
  const input = CliInput.of(command, line, world.cwd);
  const prepared = command.prepare(input);
  if (input.has('dry-run')) {
    out.note(`would ${(await prepared.rehearse?.({ world, out })) ?? prepared.does}; nothing was done`);
    return EXIT.done;
  }
  const lines = new StdinLines(world, out, secrets);
  try {
    if (command.effect === 'final' && !input.has('yes') && !(await isAnswered(prepared, lines))) {
      out.note('nothing was done');
      return EXIT.usage;
    }
    const wiring = prepared.connects === false ? null : await connect(world, input.text('config'));
    const secretLine = (name: string) => lines.secret(name);
    const isSure = async (question: string) => input.has('yes') || lines.isYes(question);
    const errorLine = (error: unknown) => secrets.lineOf(error);
    return await within(wiring, prepared, { world, out, secretLine, isSure, errorLine });
  } finally {
    lines.close();
  }
}

async function isAnswered({ does }: PreparedCommand, lines: StdinLines): Promise<boolean> {
  if (lines.isTerminal) return lines.isYes(`This will ${does}. Nothing undoes it. Go on?`);
  throw new UsageError(`nothing undoes this, so it asks first, and stdin is no terminal: add --yes to ${does}`);
}

type Around = Omit<CommandSession, 'issuer' | 'createTable'>;

/** Closes the issuer at every end; an error of that must not hide the one of the command. */
async function within(wiring: Wiring | null, prepared: PreparedCommand, around: Around): Promise<number> {
  const { issuer, createTable = null } = wiring ?? {};
  try {
    const session = { ...around, issuer, createTable } as CommandSession;
    return (await prepared.run(session)) ?? EXIT.done;
  } catch (error) {
    throw wiring ? wiring.explained(error) : error;
  } finally {
    await wiring?.close().catch((error) => around.out.note(`coupon-issuer: ${around.errorLine(error)}`));
  }
}
