import { RedisError } from './errors.js';

/** The public name of each operation. Messages take its name from here. */
export const METHODS = {
  open: 'open',
  load: 'loadCodes',
  loads: 'loads',
  replaceCode: 'replaceCode',
  issue: 'issue',
  join: 'join',
  leave: 'leave',
  admit: 'admit',
  userStatus: 'userStatus',
  inspect: 'inspect',
  campaigns: 'campaigns',
  settle: 'settle',
  quarantineList: 'quarantine.list',
  quarantineRetry: 'quarantine.retry',
  quarantineWithdraw: 'quarantine.withdraw',
  pause: 'pause',
  resume: 'resume',
  setPace: 'setPace',
  closeForGood: 'closeForGood',
  restock: 'restock',
  update: 'update',
  rebuild: 'rebuild',
  reconcile: 'reconcile',
  purge: 'purge',
  redeem: 'redeem',
  unredeem: 'unredeem',
  extend: 'extend',
  revoke: 'revoke',
  revokeAll: 'revokeAll',
  findByCode: 'findByCode',
  coupons: 'coupons',
  tally: 'tally',
  cacheGet: 'cache.get',
  cacheGetMany: 'cache.getMany',
  cacheSet: 'cache.set',
  cacheInvalidate: 'cache.invalidate',
  cacheWarm: 'cache.warm',
  workers: 'workers',
  health: 'health',
  check: 'check',
} as const;

export type Operation = keyof typeof METHODS;

/** The same fault under the name of the call that met it: the steps of a call are shared, and know no caller. */
export function inCall(operation: Operation, error: unknown): unknown {
  const named = `${METHODS[operation]}: `;
  if (!(error instanceof RedisError) || error.message.startsWith(named)) return error;
  return new RedisError(named + error.message, { outcome: error.outcome, cause: error.cause });
}
