import { monotonicMs, withDeadline } from '../flow/deadline.js';
import { isNotSaved, type NotSavedError } from '../model/errors.js';
import type { Emit } from '../model/events.js';
import type { PersistenceAdapter, SaveVerdict } from '../persistence/adapter.js';
import { intact, type Reserved } from '../redis/reservation.js';
import { messagesOf, SAVE, type SaveMessage } from '../tracing/channels.js';
import { SaveFaults } from './save-faults.js';
import { SaveLanes } from './save-lanes.js';
import { ownVerdicts } from './verdicts.js';

export interface SaveRequest {
  readonly reserved: Reserved;
  /** The most that its user may have. */
  readonly perUser: number;
  readonly deadlineAt: number;
}

/**
 * The outcome of a save after all its attempts. `not_saved`: every attempt proved that it stored nothing.
 * `unknown`: at least one attempt may yet store the row.
 */
export type SaveOutcome =
  | SaveVerdict
  | { readonly verdict: 'not_saved'; readonly error: Error; readonly refusal: RowRefusal }
  | { readonly verdict: 'unknown' };

/**
 * Whether the database refused this very row: `no`: the whole batch; `yes`: this one alone; `for_good`: and always
 * will.
 */
export type RowRefusal = 'no' | 'yes' | 'for_good';

export type Saves = SaveLanes;

/** Saves of all campaigns, one `adapter.save` per batch. */
export function batchedSaves(
  adapter: PersistenceAdapter,
  options: { maxBatch: number; maxInFlight: number; emit: Emit },
): Saves {
  const { emit, ...sizes } = options;
  return new SaveLanes({
    ...sizes,
    save: async (requests, deadlineAt) => {
      const faults = new SaveFaults(emit);
      const search = new Search();
      const outcomes = await saveAll(adapter, requests, { deadlineAt, faults, search, doubt: false });
      if (faults.count > 0) faults.end();
      return search.isVain ? outcomes.map(ofNoRow) : outcomes;
    },
  });
}

/** So many rows that are refused alone, before any other is saved, are not looked for any further. */
const MOST_REFUSED = 8;

/**
 * The search of a batch for the rows that are to blame. Where each row is, it would cost two statements for every row
 * of every batch.
 */
class Search {
  #refused = 0;
  #cameThrough = false;

  /** Nothing came through and many rows were refused: the reason lies outside the rows. */
  get isVain(): boolean {
    return !this.#cameThrough && this.#refused >= MOST_REFUSED;
  }

  cameThrough(): void {
    this.#cameThrough = true;
  }

  refused(): void {
    this.#refused++;
  }
}

/** None of these rows is to blame by itself, so none comes nearer to its quarantine. */
function ofNoRow(outcome: SaveOutcome): SaveOutcome {
  return outcome.verdict === 'not_saved' && outcome.refusal === 'yes' ? { ...outcome, refusal: 'no' } : outcome;
}

interface SaveAttempt {
  readonly deadlineAt: number;
  readonly faults: SaveFaults;
  readonly search: Search;
  /** An earlier attempt at these rows may yet store them, so no later one can prove that they are not stored. */
  readonly doubt: boolean;
}

async function saveAll(
  adapter: PersistenceAdapter,
  requests: readonly SaveRequest[],
  attempt: SaveAttempt,
): Promise<SaveOutcome[]> {
  const { faults, search, doubt } = attempt;
  try {
    const verdicts = await saveOnce(adapter, requests, attempt);
    if (verdicts.every(({ verdict }) => verdict === 'refused')) search.refused();
    else search.cameThrough();
    return doubt ? verdicts.map(inDoubt) : verdicts;
  } catch (error) {
    const issuances = requests.map(({ reserved }) => intact(reserved));
    const outOfTime = attempt.deadlineAt - monotonicMs() < 1;
    if (!isNotSaved(error)) {
      faults.unknown(error, issuances);
      // The same ids once more: an adapter that stored them the first time says so.
      if (doubt || outOfTime) return requests.map(() => ({ verdict: 'unknown' }));
      return saveAll(adapter, requests, { ...attempt, doubt: true });
    }
    const alone = requests.length === 1 && !error.wholeBatch;
    const isSearched = !alone && !error.wholeBatch && !outOfTime && !search.isVain;
    if (alone) search.refused();
    if (isSearched) return saveInHalves(adapter, requests, attempt, error);
    const safe = alone ? faults.refused(error, issuances[0]!) : faults.failed(error, issuances);
    if (doubt) return requests.map(() => ({ verdict: 'unknown' }));
    const refusal = !alone ? 'no' : error.permanent ? 'for_good' : 'yes';
    return requests.map(() => ({ verdict: 'not_saved', error: safe, refusal }));
  }
}

/** A refusal proves nothing of the earlier attempt, which may yet store the row. */
function inDoubt(verdict: SaveVerdict): SaveOutcome {
  return verdict.verdict === 'refused' ? { verdict: 'unknown' } : verdict;
}

/**
 * So that one poison row does not take its neighbours along. Each half tells its own faults; if there are none, no row
 * was to blame.
 */
async function saveInHalves(
  adapter: PersistenceAdapter,
  requests: readonly SaveRequest[],
  attempt: SaveAttempt,
  error: NotSavedError,
): Promise<SaveOutcome[]> {
  const { faults } = attempt;
  const before = faults.count;
  const middle = requests.length >> 1;
  const first = await saveAll(adapter, requests.slice(0, middle), attempt);
  const outcomes = first.concat(await saveAll(adapter, requests.slice(middle), attempt));
  if (faults.count === before)
    faults.failed(
      error,
      requests.map(({ reserved }) => intact(reserved)),
    );
  return outcomes;
}

function saveOnce(
  adapter: PersistenceAdapter,
  requests: readonly SaveRequest[],
  attempt: SaveAttempt,
): Promise<SaveVerdict[]> {
  if (!SAVE.isHeard) return askOnce(adapter, requests, attempt);
  const reserved = requests.map((request) => request.reserved);
  const message: SaveMessage = {
    campaignIds: [...new Set(reserved.map(({ issuance }) => issuance.campaignId))],
    size: requests.length,
    calls: messagesOf(reserved),
    saved: 0,
  };
  return SAVE.run(
    message,
    () => askOnce(adapter, requests, attempt),
    (verdicts) => {
      message.saved = verdicts.filter(({ verdict }) => verdict === 'saved').length;
    },
  );
}

async function askOnce(
  adapter: PersistenceAdapter,
  requests: readonly SaveRequest[],
  { deadlineAt, doubt }: SaveAttempt,
): Promise<SaveVerdict[]> {
  const abort = new AbortController();
  const late = () => {
    const error = new Error('save did not answer in time');
    abort.abort(error);
    return error;
  };
  // A list of its own for each attempt: an adapter may take apart the one that it is given.
  const issuances = requests.map(({ reserved }) => intact(reserved));
  // A user who may have several could get another unit under the same id.
  const newIds = !doubt && requests.every(({ reserved, perUser }) => perUser === 1 && reserved.isNewId);
  const saved = Promise.resolve(adapter.save(issuances, { signal: abort.signal, newIds }));
  return ownVerdicts(await withDeadline(saved, deadlineAt - monotonicMs(), late), requests);
}
