import { HookError, invalid } from '../model/errors.js';
import { kindOf } from '../model/safe-error.js';
import type { PersistenceAdapter } from './adapter.js';

/**
 * Asks the adapter, before any I/O, whether its table can hold this very spelling of a user id. `argument`: the name in
 * the call. Throws `InvalidArgumentError`; `HookError` if the adapter threw.
 */
export function assertUserId(
  adapter: Pick<PersistenceAdapter, 'userIdFault'> | undefined,
  userId: string,
  argument = 'userId',
): void {
  if (!adapter?.userIdFault) return;
  const fault = faultOf(adapter as Required<Pick<PersistenceAdapter, 'userIdFault'>>, userId);
  if (typeof fault === 'string') throw invalid(argument, fault);
}

function faultOf(adapter: Required<Pick<PersistenceAdapter, 'userIdFault'>>, userId: string): unknown {
  try {
    return adapter.userIdFault(userId);
  } catch (error) {
    throw new HookError("the adapter's userIdFault threw; nothing was sent", { cause: kindOf(error) });
  }
}
