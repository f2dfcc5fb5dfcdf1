import type { EventEmitter } from 'node:events';
import type { Secrets } from './faults.js';

const UNKNOWN = 'it is not known whether the work was done. Look, and run the command again';

/** Tells `fail`, once and in one line, of an end that the work itself does not tell. */
export function guard(process: EventEmitter, secrets: Secrets, fail: (line: string) => void): void {
  let hasFailed = false;
  const once = (what: string) => {
    if (hasFailed) return;
    hasFailed = true;
    fail(`coupon-issuer: ${what}; ${UNKNOWN}`);
  };
  // Node would print the error as it is, with its stack and with the arguments of a client.
  process.on('uncaughtException', (error) => once(secrets.lineOf(error)));
  // Node would end with 0 where nothing is left to wait for, though the work never ended.
  process.on('beforeExit', () => once('the work stopped before its end, perhaps in a promise of the config'));
}
