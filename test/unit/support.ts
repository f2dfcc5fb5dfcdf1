import type { Issuance } from '../../src/index.js';

/** Printed in the names of the tests that use it; another one is given with SEED=… */
export const SEED = Number(process.env.SEED ?? 20_261);

/** A promise that the test itself ends. */
export interface Manual<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

export function manual<T = void>(): Manual<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

/** Lets everything that is ready to go on go on. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Whether it has ended by now. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol();
  const ended = promise.catch(() => {});
  await settled();
  return (await Promise.race([ended, Promise.resolve(pending)])) === pending;
}

export function aReserved(issuance: Issuance) {
  const expiresMs = issuance.expiresAt?.getTime() ?? null;
  return { issuance, issuedMs: issuance.issuedAt.getTime(), expiresMs };
}

export function anIssuance(serial = 1, change: Partial<Issuance> = {}): Issuance {
  return {
    id: `id-${serial}`.padEnd(22, '0'),
    campaignId: 'launch',
    userId: `user-${serial}`,
    grant: 1,
    serial,
    code: `SECRET-${serial}`,
    issuedAt: new Date(1_700_000_000_000),
    epoch: '1-abc',
    state: 'reserved',
    ...change,
  };
}
