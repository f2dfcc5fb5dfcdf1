/** Waits until it is so, looking again as soon as what is under way has had its turn; fails after `ms`. */
export async function until(
  isSo: () => Promise<boolean> | boolean,
  ms = 20_000,
  what: () => string = () => 'it did not come to pass',
): Promise<void> {
  const deadline = performance.now() + ms;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`${what()} within ${ms} ms`);
    await pause(2);
  }
}

/** How long a fault lasts, or a user waits before asking again: never a way to know that something happened. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
