import type { CouponIssuer } from '../issuer.js';
import type { CliInput } from './input.js';
import type { Output } from './output.js';
import type { CliWorld } from './world.js';

/** An option of a command. Without `value` it is a flag. */
export interface CliOption {
  /** The word for its value in the help, such as `N`. */
  readonly value?: string;
  readonly help: string;
  /** It may be given several times. */
  readonly many?: true;
}

/** The effect of a command on a campaign. A `final` change asks before it begins, because nothing undoes it. */
type CliEffect = 'reads' | 'changes' | 'final';

/** One command: a row of the table in `commands.ts`. */
export interface CliCommand {
  /** One or two words: `codes import`. */
  readonly name: string;
  readonly summary: string;
  /** The words after the name, in brackets where they may be absent. */
  readonly args: readonly string[];
  readonly options: Readonly<Record<string, CliOption>>;
  /** Behind `coupon-issuer`. */
  readonly example: string;
  readonly effect: CliEffect;
  /** Checks the input before any I/O. Throws `UsageError` and `InvalidArgumentError`. */
  readonly prepare: (input: CliInput) => PreparedCommand;
}

/** A command whose input was checked. */
export interface PreparedCommand {
  /** Its change, as it follows "would": `close campaign night for good`. */
  readonly does?: string;
  /** For `--dry-run`, where more can be said without a server. */
  readonly rehearse?: (at: Rehearsal) => Promise<string>;
  readonly run: (at: CommandSession) => Promise<number | undefined>;
  /** `false`: it needs no issuer. */
  readonly connects?: false;
}

/** The surroundings of a command that asks no server. */
export interface Rehearsal {
  readonly world: CliWorld;
  readonly out: Output;
}

/** The surroundings of a command that runs. */
export interface CommandSession extends Rehearsal {
  readonly issuer: CouponIssuer;
  /** Creates the table of coupons; `null` where a config made the issuer. */
  readonly createTable: (() => Promise<unknown>) | null;
  /** The next line of stdin, which is a secret from then on. Throws `UsageError` if there is none. */
  readonly secretLine: (name: string) => Promise<string>;
  /** A question that only an answer of the servers raises. `true` without asking where `--yes` was given. */
  readonly isSure: (question: string) => Promise<boolean>;
  /** A line about an error, without secrets. */
  readonly errorLine: (error: unknown) => string;
}
