/** Ends a history where something is wrong; nothing where nothing is. */
export function fail(violations: readonly string[]): void {
  if (violations.length > 0) throw new Error(violations.join('\n'));
}
