import { assertName, assertOnlyKeys } from '../model/check.js';
import type { EventMessage } from '../tracing/channels.js';
import { listenTo } from '../tracing/listen.js';
import { type EventRow, EventRows } from './event-rows.js';

/** Each has numbers of its own, the first that come. Later ones are not counted. */
const MOST_CAMPAIGNS = 1_000;
/** Rows of events: of a campaign, and of all of them together. */
const MOST_OF_ONE = 30;
const MOST_OF_ALL = 200;

/** The answers to the buyers of one campaign, and its events. */
class CampaignNumbers {
  issued = 0;
  accepted = 0;
  readonly refused: Record<string, number> = {};
  readonly events = new EventRows(MOST_OF_ONE);

  note(message: EventMessage, reason: string | null, at: number): void {
    const { type, count } = message;
    if (type === 'issued' || type === 'accepted') this[type] += count;
    if (type === 'refused' && reason) this.refused[reason] = (this.refused[reason] ?? 0) + count;
    this.events.note(message, reason, at);
  }

  /** `null`: no buyer was answered. */
  get answers(): object | null {
    const { issued, accepted, refused } = this;
    return issued + accepted > 0 || Object.keys(refused).length > 0 ? { issued, accepted, refused } : null;
  }
}

/** The numbers of one issuer in this process, from the events that it tells. They begin with the dashboard. */
export class LiveNumbers {
  readonly #since = Date.now();
  readonly #campaigns = new Map<string, CampaignNumbers>();
  readonly #several = new EventRows(MOST_OF_ONE);
  readonly #all = new EventRows(MOST_OF_ALL);

  /** Listens until nobody holds these numbers any more: a dashboard has no end that somebody could call. */
  static of(issuerId: string): LiveNumbers {
    const numbers = new LiveNumbers();
    const held = new WeakRef(numbers);
    const end = listenTo<EventMessage>('coupon-issuer:event', (message) => {
      const own = held.deref();
      if (!own) end();
      else if (message.issuerId === issuerId) own.#note(message);
    });
    return numbers;
  }

  #note(message: EventMessage): void {
    const at = Date.now();
    const reason = reasonOf(message);
    this.#all.note(message, reason, at);
    if (message.campaignId === null) this.#several.note(message, reason, at);
    else this.#ofCampaign(message.campaignId)?.note(message, reason, at);
  }

  #ofCampaign(id: string): CampaignNumbers | undefined {
    let found = this.#campaigns.get(id);
    if (!found && this.#campaigns.size < MOST_CAMPAIGNS) {
      found = new CampaignNumbers();
      this.#campaigns.set(id, found);
    }
    return found;
  }

  /** Of one campaign, or the events of all. `counted`: `false` if the campaign came too late to be counted. No I/O. */
  read(body: { readonly campaignId?: string }): object {
    assertOnlyKeys('the body', body, ['campaignId']);
    const { campaignId } = body;
    const read = { at: Date.now(), since: this.#since };
    if (campaignId === undefined) return { ...read, events: newestFirst(this.#all.rows) };
    assertName('campaignId', campaignId);
    const found = this.#campaigns.get(campaignId);
    const counted = found !== undefined || this.#campaigns.size < MOST_CAMPAIGNS;
    const events = newestFirst([...(found?.events.rows ?? []), ...this.#several.rows]);
    return { ...read, counted, answers: found?.answers ?? null, events };
  }
}

/** A word, and of a fault two: the step and the kind of the error. */
function reasonOf({ during, errorType, reason, done }: EventMessage): string | null {
  if (during) return `${during} ${errorType}`;
  return done === false ? `${reason} failed` : (reason ?? null);
}

function newestFirst(rows: readonly EventRow[]): readonly EventRow[] {
  return [...rows].sort((a, b) => b.at - a.at);
}
