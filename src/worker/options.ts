import { assertInteger, assertName, assertSignal, ownCopy } from '../model/check.js';
import { InvalidArgumentError } from '../model/errors.js';
import { checkedWaves, type Wave, type WaveTimes } from '../model/waves.js';

/** What `startWorker` is told. */
export interface WorkerOptions {
  /** Which campaigns; default: all of the registry, looked up once an interval. */
  readonly campaigns?: readonly string[] | undefined;
  /** How often it looks for what is due: 1–3,600,000 ms; default 1,000. */
  readonly intervalMs?: number | undefined;
  /**
   * At most this many reservations of one campaign are claimed per second, over all workers that are given the same number: more than 0, up to
   * 1,000,000; 100 a minute is `100 / 60`. Over any T seconds at most T + 0.1 times as many, and at least one. Default: no cap.
   */
  readonly maxSavesPerSecond?: number | undefined;
  /** Reservations per claim and save: 1–1,000; default 250, or `maxBatch` if that is less, or `maxDeliveries` if that is less and there is a `deliver`. */
  readonly batchSize?: number | undefined;
  /**
   * Of campaigns with a waiting room: at most this many are let through per second, over all workers that are given the same number; 0–1,000,000, 0 lets
   * nobody through. Default: as fast as saves complete.
   */
  readonly admitPerSecond?: number | undefined;
  /** Of campaigns with a waiting room: how many are let through when, 1–1,000 waves; within a wave at `admitPerSecond`. Default: no waves. */
  readonly waves?: readonly Wave[] | undefined;
  /** Stops the worker, as `stop()` does. */
  readonly signal?: AbortSignal | undefined;
}

export interface CheckedWorkerOptions extends Omit<WorkerOptions, 'waves'> {
  readonly intervalMs: number;
  readonly batchSize: number;
  readonly pace: { readonly perSecond: number | null; readonly waves: readonly WaveTimes[] };
}

export function checkedWorkerOptions(options: WorkerOptions, batchSize: number): CheckedWorkerOptions {
  const names = ['campaigns', 'intervalMs', 'maxSavesPerSecond', 'batchSize', 'admitPerSecond', 'waves', 'signal'];
  const { waves, ...own } = ownCopy('the options', options, names);
  const { campaigns, maxSavesPerSecond, admitPerSecond, signal } = own;
  const pace = { perSecond: admitPerSecond ?? null, waves: waves === undefined ? [] : checkedWaves(waves) };
  const checked = { ...own, intervalMs: own.intervalMs ?? 1_000, batchSize: own.batchSize ?? batchSize, pace };
  if (campaigns !== undefined) {
    if (!Array.isArray(campaigns)) throw new InvalidArgumentError('campaigns must be an array of campaign ids');
    campaigns.forEach((id, i) => {
      assertName(`campaigns[${i}]`, id);
    });
  }
  assertInteger('intervalMs', checked.intervalMs, 1, 3_600_000);
  assertInteger('batchSize', checked.batchSize, 1, 1_000);
  assertSignal(signal);
  if (maxSavesPerSecond !== undefined && (!isRate(maxSavesPerSecond) || maxSavesPerSecond === 0)) {
    throw new InvalidArgumentError('maxSavesPerSecond must be a number above 0, at most 1000000');
  }
  if (admitPerSecond !== undefined && !isRate(admitPerSecond)) {
    throw new InvalidArgumentError('admitPerSecond must be a number from 0 to 1000000');
  }
  return checked;
}

function isRate(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= 1_000_000;
}
