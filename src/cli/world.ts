import type { Readable, Writable } from 'node:stream';

/** A stream of the command, and whether a person sits at its other end. */
export type Sink = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** The surroundings of one run. A test gives its own. */
export interface CliWorld {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** Aborted by SIGINT and SIGTERM; its reason is the name of the signal. */
  readonly signal: AbortSignal;
}

/** Exit codes. A signal that cut work short ends with 128 and its number, as shells do it. */
export const EXIT = { done: 0, fault: 1, usage: 2, findings: 3, SIGINT: 130, SIGTERM: 143 } as const;
