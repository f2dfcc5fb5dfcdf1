import type { Line } from '../redis/line.js';
import { isForbidden } from '../redis/server-errors.js';

/** `moved`: the position of a watcher may have changed. `joined`: a user joined an empty line. */
export type News = 'moved' | 'joined';

export interface AnnouncerParts {
  readonly track: <T>(work: Promise<T>) => Promise<T>;
  readonly onFault: (campaignId: string, error: unknown) => void;
}

/**
 * Tells other processes that something moved: one message on its way per campaign and kind of news, and one more if
 * there was news meanwhile.
 */
export class Announcer {
  readonly #parts: AnnouncerParts;
  #isForbidden = false;
  readonly #onTheWay = new Map<string, { again: boolean }>();

  constructor(parts: AnnouncerParts) {
    this.#parts = parts;
  }

  tell(line: Line, news: News): void {
    if (this.#isForbidden) return;
    const key = `${news}:${line.campaign.id}`;
    const sending = this.#onTheWay.get(key);
    if (sending) {
      sending.again = true;
      return;
    }
    const way = { again: false };
    this.#onTheWay.set(key, way);
    const sent = this.#parts
      .track(line.announce(news))
      // A lost message costs only time: watchers look again by themselves.
      .catch((error: unknown) => {
        // A process that may not publish tells one fault, and announces nothing any more.
        this.#isForbidden = isForbidden(error);
        this.#parts.onFault(line.campaign.id, error);
      });
    void sent.then(() => {
      this.#onTheWay.delete(key);
      if (way.again) this.tell(line, news);
    });
  }
}
