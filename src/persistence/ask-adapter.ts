import { withDeadline } from '../flow/deadline.js';
import { HookError, MisconfiguredError } from '../model/errors.js';
import { isErrorNamed, messageOf } from '../model/foreign.js';
import { kindOf } from '../model/safe-error.js';

/**
 * Asks a function of the adapter where nothing was reserved or claimed yet. Throws `MisconfiguredError` if the adapter
 * did, and `HookError`, which quotes no row, for everything else. `otherwise`: in which state that leaves things.
 */
export async function askAdapter<T>(
  name: string,
  ask: () => Promise<T>,
  { timeoutMs, otherwise }: { readonly timeoutMs: number; readonly otherwise: string },
): Promise<T> {
  const late = new Error('no answer in time');
  try {
    return await withDeadline((async () => ask())(), timeoutMs, () => late);
  } catch (error) {
    // Its words quote no row: they name the fault of the client or the table.
    if (isErrorNamed(error, 'MisconfiguredError')) throw new MisconfiguredError(`${messageOf(error)}; ${otherwise}`);
    const cause = error === late ? late : kindOf(error);
    const what =
      error === late ? late.message : [cause.name, (cause as { code?: string }).code].filter(Boolean).join(' ');
    throw new HookError(`the adapter's ${name} failed (${what}); ${otherwise}`, { cause });
  }
}
