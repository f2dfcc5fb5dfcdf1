import type { EventMessage } from '../tracing/channels.js';

/** Events of one kind share a row for so long. A crowd of buyers therefore pushes no fault out of the list. */
const ROW_MS = 10_000;

/** So many events of one kind. `from` and `at`: the first and the last, ms since 1970. */
export interface EventRow {
  readonly type: string;
  readonly campaignId: string | null;
  readonly reason: string | null;
  readonly from: number;
  at: number;
  count: number;
}

/** The last events, without anything about a person. */
export class EventRows {
  readonly #most: number;
  readonly #rows: EventRow[] = [];
  readonly #lastOf = new Map<string, EventRow>();

  constructor(most: number) {
    this.#most = most;
  }

  note({ type, campaignId, count }: EventMessage, reason: string | null, at: number): void {
    const kind = `${type} ${campaignId} ${reason}`;
    const last = this.#lastOf.get(kind);
    if (last && at - last.from < ROW_MS) {
      last.at = at;
      last.count += count;
      return;
    }
    const row = { type, campaignId, reason, from: at, at, count };
    this.#rows.push(row);
    this.#lastOf.set(kind, row);
    if (this.#rows.length <= this.#most) return;
    const gone = this.#rows.shift()!;
    const itsKind = `${gone.type} ${gone.campaignId} ${gone.reason}`;
    if (this.#lastOf.get(itsKind) === gone) this.#lastOf.delete(itsKind);
  }

  get rows(): readonly EventRow[] {
    return this.#rows;
  }
}
