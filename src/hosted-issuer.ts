import { CouponIssuer } from './issuer.js';
import { assertObject, assertOnlyKeys } from './model/check.js';
import { invalid } from './model/errors.js';
import type { CouponIssuerOptions } from './options.js';
import { checkedWorkerOptions, type WorkerOptions } from './worker/options.js';
import type { SettleWorker } from './worker/worker.js';

/** An issuer in a framework, which starts and closes it. */
export interface HostedIssuerOptions<Client = never> {
  /** A ready issuer, or the options of one. The framework closes it in both cases; your clients stay open. */
  readonly issuer: CouponIssuer<Client> | CouponIssuerOptions<Client>;
  /**
   * Whether this process runs a worker. Any number of processes may run one. Without any, nothing settles what a crash
   * left behind, and nobody in a waiting room is admitted.
   */
  readonly worker: boolean | WorkerOptions;
}

export interface HostedIssuer<Client = never> {
  readonly issuer: CouponIssuer<Client>;
  /** Starts the worker if this process has one. */
  readonly start: () => void;
  /** The worker that was started; `null`: none. */
  readonly worker: () => SettleWorker | null;
}

const ARGUMENT = 'the options of the issuer in a framework';

/** Does no I/O. Throws `InvalidArgumentError`. */
export function hostedIssuer<Client>(options: HostedIssuerOptions<Client>): HostedIssuer<Client> {
  assertObject(ARGUMENT, options as unknown);
  assertOnlyKeys(ARGUMENT, options, ['issuer', 'worker']);
  const { issuer: given, worker } = options;
  assertObject('issuer', given as unknown);
  if (typeof worker !== 'boolean' && (typeof worker !== 'object' || worker === null)) {
    throw invalid('worker', 'must be true, false or the options of startWorker()');
  }
  const issuer = isIssuer(given) ? given : new CouponIssuer(given);
  if (worker === false) return { issuer, start: () => {}, worker: () => null };
  const workerOptions = worker === true ? {} : worker;
  // Here rather than in start(), which is called once the clients are connected.
  checkedWorkerOptions(workerOptions, 1);
  let started: SettleWorker | null = null;
  const start = () => {
    started = issuer.startWorker(workerOptions);
  };
  return { issuer, start, worker: () => started };
}

/** One of another copy of this package is no `instanceof`. */
function isIssuer<Client>(given: CouponIssuer<Client> | CouponIssuerOptions<Client>): given is CouponIssuer<Client> {
  return typeof (given as { startWorker?: unknown }).startWorker === 'function';
}
