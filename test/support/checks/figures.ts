import { appendFileSync } from 'node:fs';
import { SEED } from './lengths.js';

/** What one run under a fault came to. */
export interface Figures {
  readonly fault: string;
  readonly requests: number;
  /** How often the fault was injected, by its name. */
  readonly injected: Readonly<Record<string, number>>;
  readonly violations: number;
  /** The longest time nobody was served; `null` where that has no meaning. */
  readonly outageSeconds: number | null;
}

/** Prints the figures in one line; with `FAULT_FIGURES=path` they are also added to that file, one JSON object a line. */
export function printFigures(figures: Figures): void {
  const { fault, requests, injected, violations, outageSeconds } = figures;
  const faults = Object.entries(injected).map(([name, count]) => `${count} ${name}`);
  const outage = outageSeconds === null ? 'none' : `${outageSeconds.toFixed(2)} s`;
  process.stdout.write(
    `${fault}: seed=${SEED} requests=${requests} injected=${faults.join(', ')} violations=${violations} outage=${outage}\n`,
  );
  const { FAULT_FIGURES } = process.env;
  if (FAULT_FIGURES) appendFileSync(FAULT_FIGURES, `${JSON.stringify({ ...figures, seed: SEED })}\n`);
}
