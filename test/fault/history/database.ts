import { type Issuance, MemoryPersistence, NotSavedError, type SaveVerdict } from '../../../src/index.js';
import type { Ending, Traffic } from './traffic.js';

/**
 * What the database makes of one save. `refused`: certainly nothing of it; `lost`: nobody is told, and nothing is stored; `done and lost`: it is; `lands later`: it is, when the
 * history says so, if ever; `half`: the first half is, and nobody is told; `held`: it waits.
 */
export type SaveMood = Ending | 'all refused' | 'lands later' | 'half' | 'held';

export const SAVE_MOODS: readonly SaveMood[] = [
  'done',
  'refused',
  'all refused',
  'lost',
  'done and lost',
  'lands later',
  'half',
  'held',
];

/** The rows of a history, and all that can go wrong with saving them. */
export class MoodyDatabase {
  /** What the next saves come to; then they are done. */
  moods: SaveMood[] = [];
  /** The next reads of rows fail. */
  failingLists = 0;
  /** Whoever's row is refused for good, alone or with others. */
  poison: string | null = null;
  /** Writes whose sender was told nothing, and that may yet be stored. */
  readonly landing: (readonly Issuance[])[] = [];
  readonly #memory = new MemoryPersistence();
  readonly #traffic: Traffic;

  constructor(traffic: Traffic) {
    this.#traffic = traffic;
  }

  async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
    if (issuances.some(({ userId }) => userId === this.poison)) {
      throw new NotSavedError('a value is out of range', { permanent: true });
    }
    const mood = this.moods.shift() ?? 'done';
    const names = issuances.map(({ userId, serial }) => `${userId} #${serial}`).join(', ');
    if (mood === 'held') return this.#end(issuances, await this.#traffic.hold(`save of ${names}`));
    return this.#traffic.of(this.#end(issuances, mood));
  }

  async #end(issuances: readonly Issuance[], mood: SaveMood): Promise<readonly SaveVerdict[]> {
    if (mood !== 'done') this.#traffic.injected(`saves ${mood}`);
    if (mood === 'refused' || mood === 'all refused') {
      throw new NotSavedError('a constraint says no', { wholeBatch: mood === 'all refused' });
    }
    if (mood === 'lands later') this.landing.push(issuances);
    if (mood === 'half') await this.#memory.save(issuances.slice(0, Math.ceil(issuances.length / 2)));
    if (mood === 'done' || mood === 'done and lost') {
      const verdicts = await this.#memory.save(issuances);
      if (mood === 'done') return verdicts;
    }
    throw new Error('the connection is gone');
  }

  /** A write that nobody waits for any more is committed. */
  async land(index: number): Promise<void> {
    const [issuances] = this.landing.splice(index, 1);
    this.#traffic.injected('late commits');
    if (issuances) await this.#memory.save(issuances);
  }

  async list(campaignId: string, options: { afterSerial: number; limit: number }): Promise<readonly Issuance[]> {
    if (this.failingLists > 0) {
      this.failingLists--;
      this.#traffic.injected('failed lists');
      throw new Error('the database is down');
    }
    return this.#traffic.of(this.#memory.list(campaignId, options));
  }

  find(issuances: readonly Issuance[]): Promise<readonly (Issuance | null)[]> {
    return this.#traffic.of(this.#memory.find(issuances));
  }

  rows(campaignId: string): Promise<readonly Issuance[]> {
    return this.#memory.list(campaignId, { afterSerial: 0, limit: Number.MAX_SAFE_INTEGER });
  }
}
