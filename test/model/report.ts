import type { Exploration, Violation } from './explore.js';

/** One line of a table: how much was looked at. */
export function line(
  name: string,
  { states, transitions, depth }: Pick<Exploration, 'states' | 'transitions' | 'depth'>,
  since: number,
): string {
  const seconds = ((performance.now() - since) / 1000).toFixed(1);
  return `${String(states).padStart(9)} states ${String(transitions).padStart(9)} steps ${String(depth).padStart(3)} deep ${seconds.padStart(6)} s  ${name}`;
}

/** The shortest way to what is broken. */
export function tell({ what, trace }: Violation): string {
  return [what, ...trace.map((step, i) => `${String(i + 1).padStart(3)}. ${step}`)].join('\n');
}
