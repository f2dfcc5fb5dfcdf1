import { RedisError } from './errors.js';

/** What each operation is called in the public face. Messages take its name from here. */
export const METHODS = {
  open: 'openCampaign',
  load: 'loadCodes',
  replaceCode: 'replaceCode',
  issue: 'issue',
  join: 'join',
  leave: 'leave',
  admit: 'admit',
  status: 'status',
  inspect: 'inspect',
  settle: 'settle',
  listQuarantined: 'listQuarantined',
  retryQuarantined: 'retryQuarantined',
  withdrawQuarantined: 'withdrawQuarantined',
  pause: 'pause',
  resume: 'resume',
  close: 'closeCampaign',
  restock: 'restock',
  rebuild: 'rebuild',
  reconcile: 'reconcile',
  purge: 'purge',
  health: 'health',
} as const;

export type Operation = keyof typeof METHODS;

/** The same fault under the name of the call that met it: the steps of a call are shared, and know no caller. */
export function inCall(operation: Operation, error: unknown): unknown {
  const named = `${METHODS[operation]}: `;
  if (!(error instanceof RedisError) || error.message.startsWith(named)) return error;
  return new RedisError(named + error.message, { outcome: error.outcome, cause: error.cause });
}
