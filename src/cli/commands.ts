import type { CliCommand } from './command.js';
import { CODES } from './commands/codes.js';
import { COUPONS } from './commands/coupons.js';
import { DASHBOARD } from './commands/dashboard.js';
import { DOCTOR } from './commands/doctor.js';
import { LOOK } from './commands/look.js';
import { OPERATE } from './commands/operate.js';
import { QUARANTINE } from './commands/quarantine.js';
import { RECOVER } from './commands/recover.js';
import { WORK } from './commands/work.js';

/** Every command, in the order of the help. A new one is a module of `commands/` and a row here. */
export const COMMANDS: readonly CliCommand[] = [
  ...LOOK,
  ...OPERATE,
  ...CODES,
  ...COUPONS,
  ...QUARANTINE,
  ...RECOVER,
  ...WORK,
  ...DOCTOR,
  ...DASHBOARD,
];

/** The command that the first words name; `null` if there is none. */
export function commandOf(words: readonly string[]): CliCommand | null {
  return COMMANDS.find(({ name }) => name === words.slice(0, name.split(' ').length).join(' ')) ?? null;
}
