import { onTestFinished } from 'vitest';

/** Stops what a test started when the test is over, however it ends; what was started last is stopped first. */
export async function own<T extends { stop(): Promise<void> | void }>(started: Promise<T> | T): Promise<T> {
  const owned = await started;
  onTestFinished(() => owned.stop());
  return owned;
}
