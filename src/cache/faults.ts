import { monotonicMs } from '../flow/deadline.js';
import type { Emit } from '../model/events.js';
import { redacted } from '../model/safe-error.js';

const QUIET_MS = 60_000;

/** The subject of a fault. */
type CacheFaultKind = 'redis' | 'messages' | 'refresh' | 'size' | 'total';

/** Tells a fault of each kind at most once a minute: one of a busy cache would be told for every call. */
export class CacheFaults {
  readonly #emit: Emit;
  readonly #toldAt = new Map<CacheFaultKind, number>();

  constructor(emit: Emit) {
    this.#emit = emit;
  }

  tell(kind: CacheFaultKind, error: unknown): void {
    const now = monotonicMs();
    if (now - (this.#toldAt.get(kind) ?? Number.NEGATIVE_INFINITY) < QUIET_MS) return;
    this.#toldAt.set(kind, now);
    this.#emit({ type: 'fault', during: 'cache', campaignId: null, error: redacted(error) });
  }
}
