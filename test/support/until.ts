/** Waits until it is so, looking again as soon as what is under way has had its turn; fails after `ms`. */
export async function until(isSo: () => Promise<boolean> | boolean, ms = 20_000): Promise<void> {
  const deadline = performance.now() + ms;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`it did not come to pass within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
