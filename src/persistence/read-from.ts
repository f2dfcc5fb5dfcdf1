import { withDeadline } from '../flow/deadline.js';
import { MisconfiguredError, PersistenceError, type RedisOutcome } from '../model/errors.js';
import { isErrorNamed, messageOf } from '../model/foreign.js';
import { kindOf } from '../model/safe-error.js';

/** The state after a call that could not read. */
interface Left {
  readonly outcome: RedisOutcome;
  readonly state: string;
}

const NOTHING: Left = { outcome: 'not_applied', state: 'nothing was changed' };

/** Asks a method of the adapter that reads. Throws `MisconfiguredError` if the adapter did, otherwise `PersistenceError`, which quotes no row. */
export async function readFrom<T>(
  method: string,
  timeoutMs: number,
  ask: (signal: AbortSignal) => Promise<T>,
  { outcome, state }: Left = NOTHING,
): Promise<T> {
  const abort = new AbortController();
  const late = () => {
    const error = new Error(`${method} did not answer in time`);
    abort.abort(error);
    return error;
  };
  try {
    return await withDeadline((async () => ask(abort.signal))(), timeoutMs, late);
  } catch (error) {
    if (isErrorNamed(error, 'MisconfiguredError'))
      throw new MisconfiguredError(`${messageOf(error)}; nothing was read`);
    const cause = kindOf(error);
    const kind = [cause.name, (cause as { code?: string }).code].filter(Boolean).join(' ');
    const what = abort.signal.aborted ? 'gave no answer in time' : `failed (${kind})`;
    throw new PersistenceError(`the adapter's ${method} ${what}; ${state}; ask again`, { outcome, cause });
  }
}

/** The rows of an adapter cannot be told to a caller. It quotes none of them. */
export function unfit(method: string, must: string): PersistenceError {
  return new PersistenceError(
    `the adapter's ${method} must give ${must}; its answer was not used, and nothing was changed`,
    {
      outcome: 'not_applied',
    },
  );
}

/** Throws it. `need`: the method that the adapter of this process lacks. */
export function misses(what: string, need: string): MisconfiguredError {
  return new MisconfiguredError(
    `${what} in the database, so this process needs persistence whose adapter has ${need}; nothing was read`,
  );
}
