import { assertInteger, assertName, assertSignal, ownCopy } from '../model/check.js';
import { invalid } from '../model/errors.js';

/** The options of `startWorker`. Its speed is a rule of each campaign: `setPace()`. */
export interface WorkerOptions {
  /**
   * The ids of the campaigns to look after. Default: all of the registry, which is read once an interval. One that
   * nobody opened is told once, as a `fault` event, and looked for again after 60 intervals.
   */
  readonly campaigns?: readonly string[] | undefined;
  /** The time between two looks for due reservations: 1–3,600,000 ms; default 1,000. */
  readonly intervalMs?: number | undefined;
  /**
   * Reservations per claim and save: 1–1,000. Default: the least of 500, `maxBatch` and, with `deliver`,
   * `maxDeliveries`.
   */
  readonly batchSize?: number | undefined;
  /** Stops the worker, as `stop()` does. */
  readonly signal?: AbortSignal | undefined;
}

export interface CheckedWorkerOptions extends WorkerOptions {
  readonly intervalMs: number;
  readonly batchSize: number;
}

export function checkedWorkerOptions(options: WorkerOptions, batchSize: number): CheckedWorkerOptions {
  const own = ownCopy('the argument of startWorker()', options, ['campaigns', 'intervalMs', 'batchSize', 'signal']);
  const { campaigns, signal } = own;
  const checked = { ...own, intervalMs: own.intervalMs ?? 1_000, batchSize: own.batchSize ?? batchSize };
  if (campaigns !== undefined) {
    if (!Array.isArray(campaigns)) throw invalid('campaigns', 'must be an array of campaign ids');
    campaigns.forEach((id, i) => {
      assertName(`campaigns[${i}]`, id);
    });
  }
  assertInteger('intervalMs', checked.intervalMs, 1, 3_600_000);
  assertInteger('batchSize', checked.batchSize, 1, 1_000);
  assertSignal(signal);
  return checked;
}
