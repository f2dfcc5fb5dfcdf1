import { CouponIssuerError } from '../model/errors.js';
import { redacted } from '../model/safe-error.js';

/** One look of `diagnose()`. */
export type DiagnosisCheck =
  | 'redis.answer'
  | 'redis.version'
  | 'redis.append_only'
  | 'redis.eviction'
  | 'redis.role'
  | 'redis.rights'
  | 'redis.clock'
  | 'redis.latency'
  | 'client.offline_queue'
  | 'client.time_outs'
  | 'client.retries'
  | 'client.tracing'
  | 'database.table'
  | 'database.identity'
  | 'database.clock'
  | 'database.isolation'
  | 'database.commit'
  | 'campaigns'
  | 'quarantine'
  | 'workers';

/** The result of one check. It quotes no code, no user, no password and no URL. */
export interface Diagnosis {
  readonly check: DiagnosisCheck;
  /** `fault`: coupons may be lost or nothing goes on. `warning`: worth a change. `unknown`: the check could not run. */
  readonly verdict: 'ok' | 'warning' | 'fault' | 'unknown';
  readonly found: string;
  /** The next step; `null` where nothing has to be done. */
  readonly cure: string | null;
}

type Verdict = Diagnosis['verdict'];

export function ok(check: DiagnosisCheck, found: string): Diagnosis {
  return { check, verdict: 'ok', found, cure: null };
}

export function finding(
  check: DiagnosisCheck,
  verdict: Exclude<Verdict, 'ok'>,
  found: string,
  cure: string,
): Diagnosis {
  return { check, verdict, found, cure };
}

/** `ok`, or else a finding with the same words about the fact. */
export function judged(
  check: DiagnosisCheck,
  found: string,
  isFine: boolean,
  otherwise: { readonly verdict?: 'fault' | 'unknown'; readonly cure: string },
): Diagnosis {
  return isFine ? ok(check, found) : finding(check, otherwise.verdict ?? 'warning', found, otherwise.cure);
}

/** Runs a part of the look. An error ends this part alone. */
export async function part(
  check: DiagnosisCheck,
  cure: string,
  look: () => Promise<readonly Diagnosis[]>,
): Promise<readonly Diagnosis[]> {
  try {
    return await look();
  } catch (error) {
    return [finding(check, 'unknown', toldOf(error), cure)];
  }
}

/** Our errors quote nothing of others; of any other error only its kind is told. */
export function toldOf(error: unknown): string {
  return error instanceof CouponIssuerError ? error.message : redacted(error, []).message;
}
