import { Batcher } from './batch.js';
import { monotonicMs, withDeadline } from './deadline.js';
import { isNotSaved, redacted } from './errors.js';
import type { Emit } from './events.js';
import { type Issuance, isIssuance } from './issuance.js';
import type { PersistenceAdapter, SaveVerdict } from './persistence/adapter.js';

export interface SaveRequest {
  readonly issuance: Issuance;
  readonly deadlineAt: number;
}

/**
 * What is known of a save once all its attempts are over. `not_saved`: every attempt proved that it stored nothing.
 * `unknown`: at least one attempt may yet store the row.
 */
export type SaveOutcome =
  | SaveVerdict
  | { readonly verdict: 'not_saved'; readonly error: Error; readonly refusal: Refusal }
  | { readonly verdict: 'unknown' };

/** Whether the database refused this very row: `no`: the whole batch; `yes`: this one alone; `for_good`: and always will. */
export type Refusal = 'no' | 'yes' | 'for_good';

export type Saves = Batcher<SaveRequest, SaveOutcome>;

/** Saves of all campaigns, one `adapter.save` per batch. */
export function batchedSaves(
  adapter: PersistenceAdapter,
  options: { maxBatch: number; maxInFlight: number; emit: Emit },
): Saves {
  const { emit, ...sizes } = options;
  return new Batcher<SaveRequest, SaveOutcome>({
    ...sizes,
    run: (requests) => {
      const deadlineAt = requests.reduce((latest, request) => Math.max(latest, request.deadlineAt), 0);
      return saveAll(
        adapter,
        requests.map(({ issuance }) => issuance),
        { deadlineAt, emit, doubt: false },
      );
    },
  });
}

interface Attempt {
  readonly deadlineAt: number;
  readonly emit: Emit;
  /** An earlier attempt at these rows may yet store them, so no later one can prove that they are not stored. */
  readonly doubt: boolean;
}

async function saveAll(
  adapter: PersistenceAdapter,
  issuances: readonly Issuance[],
  attempt: Attempt,
): Promise<SaveOutcome[]> {
  try {
    return await saveOnce(adapter, issuances, attempt.deadlineAt);
  } catch (error) {
    const safe = reportFault(error, issuances, attempt.emit);
    const outOfTime = attempt.deadlineAt - monotonicMs() < 1;
    if (!isNotSaved(error)) {
      // The same ids once more: an adapter that stored them the first time says so.
      if (attempt.doubt || outOfTime) return issuances.map(() => ({ verdict: 'unknown' }));
      return saveAll(adapter, issuances, { ...attempt, doubt: true });
    }
    if (issuances.length === 1 || error.wholeBatch || outOfTime) {
      if (attempt.doubt) return issuances.map(() => ({ verdict: 'unknown' }));
      const refusal = error.wholeBatch || issuances.length > 1 ? 'no' : error.permanent ? 'for_good' : 'yes';
      return issuances.map(() => ({ verdict: 'not_saved', error: safe, refusal }));
    }
    // In halves, so that one poison row does not take its neighbours along.
    const middle = issuances.length >> 1;
    const first = await saveAll(adapter, issuances.slice(0, middle), attempt);
    return first.concat(await saveAll(adapter, issuances.slice(middle), attempt));
  }
}

async function saveOnce(
  adapter: PersistenceAdapter,
  issuances: readonly Issuance[],
  deadlineAt: number,
): Promise<SaveVerdict[]> {
  const abort = new AbortController();
  const late = () => {
    const error = new Error('save did not answer in time');
    abort.abort(error);
    return error;
  };
  const saved = Promise.resolve(adapter.save(issuances, { signal: abort.signal }));
  const verdicts = await withDeadline(saved, deadlineAt - monotonicMs(), late);
  if (!Array.isArray(verdicts) || verdicts.length !== issuances.length || !verdicts.every(isVerdict)) {
    throw new TypeError('save must resolve to one verdict for each issuance');
  }
  return verdicts;
}

const VERDICTS = ['saved', 'user_conflict', 'serial_conflict', 'code_conflict'];

function isVerdict(value: SaveVerdict): boolean {
  if (value?.verdict !== 'user_conflict') return VERDICTS.includes(value?.verdict);
  return isIssuance(value.existing);
}

function reportFault(error: unknown, issuances: readonly Issuance[], emit: Emit): Error {
  const campaignId = issuances[0]!.campaignId;
  const safe = redacted(
    error,
    issuances.map((one) => one.code),
  );
  emit({ type: 'fault', during: 'save', campaignId, error: safe });
  return safe;
}
