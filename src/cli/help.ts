import type { CliCommand, CliOption } from './command.js';
import { COMMANDS } from './commands.js';
import { optionsOf } from './input.js';

const SHORT: Readonly<Record<string, string>> = { help: '-h, ', version: '-V, ', yes: '-y, ', 'dry-run': '-n, ' };

/** The page of one command. */
export function helpOf(command: CliCommand): string {
  const words = ['coupon-issuer', command.name, ...command.args.map(argument), '[options]'];
  return [
    `Usage: ${words.join(' ')}`,
    '',
    command.summary,
    ...(command.effect === 'final' ? ['', 'Nothing undoes this, so it asks first. --yes answers.'] : []),
    '',
    'Options:',
    ...columns(Object.entries(optionsOf(command)).map(([name, option]) => [spelling(name, option), option.help])),
    '',
    'Example:',
    `  coupon-issuer ${command.example}`,
  ].join('\n');
}

function argument(name: string): string {
  return name.startsWith('[') ? name : `<${name}>`;
}

function spelling(name: string, { value, many }: CliOption): string {
  return `${SHORT[name] ?? '    '}--${name}${value ? ` ${value}` : ''}${many ? ' …' : ''}`;
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}

function listed(commands: readonly CliCommand[]): string[] {
  return columns(commands.map(({ name, args, summary }) => [[name, ...args.map(argument)].join(' '), summary]));
}

/** The commands of a group such as `codes`; `null` if there is none of that name. */
export function groupHelp(word: string | undefined): string | null {
  const commands = COMMANDS.filter(({ name }) => name.split(' ')[0] === word);
  return commands.length === 0 ? null : ['Commands:', ...listed(commands)].join('\n');
}

/** The page of the command as a whole. */
export function overview(): string {
  return [
    'Usage: coupon-issuer <command> [options]',
    '',
    'Steers campaigns of coupon-issuer. Set REDIS_URL and DATABASE_URL, or export the issuer from coupon-issuer.config.js.',
    '',
    'Commands:',
    ...listed(COMMANDS),
    '',
    'coupon-issuer <command> --help has its options and an example.',
    'Exit codes: 0 done, 1 fault, 2 wrong call, 3 findings or a refusal, 130 and 143 stopped by a signal.',
  ].join('\n');
}
