import type { Diagnosis } from '../../doctor/diagnosis.js';
import type { CliCommand, CommandSession } from '../command.js';
import { printable } from '../faults.js';
import { EXIT } from '../world.js';

const STYLES = { ok: 'green', warning: 'yellow', fault: 'red', unknown: 'yellow' } as const satisfies Record<
  Diagnosis['verdict'],
  string
>;

const doctor: CliCommand = {
  name: 'doctor',
  summary: 'Check Redis, the database, the client, the workers and the campaigns, and say how to cure each finding.',
  args: [],
  options: {},
  example: 'doctor --json',
  effect: 'reads',
  prepare: () => ({
    run: async (session) => {
      const found = await session.issuer.diagnose();
      for (const one of found) await session.out.item(one, () => linesOf(session, one));
      if (found.some(({ verdict }) => verdict === 'unknown')) return EXIT.fault;
      return found.every(({ verdict }) => verdict === 'ok') ? EXIT.done : EXIT.findings;
    },
  }),
};

function linesOf({ out }: CommandSession, { check, verdict, found, cure }: Diagnosis): string[] {
  const word = out.style(STYLES[verdict], verdict.padEnd(7));
  const line = `${word}  ${check.padEnd(20)}  ${printable(found)}`;
  return cure === null ? [line] : [line, `${' '.repeat(31)}→ ${printable(cure)}`];
}

export const DOCTOR: readonly CliCommand[] = [doctor];
