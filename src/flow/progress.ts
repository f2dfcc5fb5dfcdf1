/**
 * Reports progress. If the function throws, the call ends with that error. A promise that it returns is not awaited,
 * and may reject.
 */
export function tell<T>(onProgress: ((progress: T) => void) | undefined, progress: T): void {
  const returned: unknown = onProgress?.(progress);
  if (typeof returned === 'object') Promise.resolve(returned).catch(() => {});
}
