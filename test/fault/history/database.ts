import {
  type ChangeVerdict,
  type CouponChange,
  type CouponRef,
  type Issuance,
  MemoryPersistence,
  NotSavedError,
  type SaveVerdict,
} from '../../../src/index.js';
import type { Ending, Traffic } from './traffic.js';

/**
 * What the database makes of one save, or of one batch of changes. `refused`: certainly nothing of it; `lost`: nobody is told, and nothing is stored; `done and lost`: it is; `lands later`: it is, when the
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

/** Of its own the clock of the database stands still. */
const BEGINNING = new Date('2020-01-01T00:00:00Z');

/** The rows of a history, and all that can go wrong with writing them. */
export class MoodyDatabase {
  /** What the next saves and changes come to; then they are done. */
  moods: SaveMood[] = [];
  changeMoods: SaveMood[] = [];
  now = BEGINNING;
  /** The next reads of rows fail. */
  failingLists = 0;
  /** Whoever's row is refused for good, alone or with others. */
  poison: string | null = null;
  /** Writes whose sender was told nothing, and that may yet be stored. */
  readonly landing: (() => Promise<unknown>)[] = [];
  readonly #memory = new MemoryPersistence({ now: () => this.now });
  readonly #traffic: Traffic;

  constructor(traffic: Traffic) {
    this.#traffic = traffic;
  }

  async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
    if (issuances.some(({ userId }) => userId === this.poison)) {
      throw new NotSavedError('a value is out of range', { permanent: true });
    }
    const names = issuances.map(({ userId, serial }) => `${userId} #${serial}`).join(', ');
    const mood = this.moods.shift() ?? 'done';
    return this.#write(issuances, mood, {
      what: 'saves',
      name: `save of ${names}`,
      store: (of) => this.#memory.save(of),
    });
  }

  async change(changes: readonly CouponChange[]): Promise<readonly ChangeVerdict[]> {
    const names = changes.map(({ to, version }) => `${to?.by ?? to?.state ?? 'nobody'} at ${version}`).join(', ');
    const mood = this.changeMoods.shift() ?? 'done';
    const how = {
      what: 'changes',
      name: `change by ${names}`,
      store: (of: readonly CouponChange[]) => this.#memory.change(of),
    };
    return this.#write(changes, mood, how);
  }

  look(refs: readonly CouponRef[]): Promise<readonly (Issuance | null)[]> {
    return this.#traffic.of(this.#memory.look(refs));
  }

  async #write<T, V>(items: readonly T[], mood: SaveMood, { what, name, store }: Writing<T, V>): Promise<readonly V[]> {
    const ending = mood === 'held' ? await this.#traffic.hold(name) : mood;
    const end = async () => {
      if (ending !== 'done') this.#traffic.injected(`${what} ${ending}`);
      if (ending === 'refused' || ending === 'all refused') {
        throw new NotSavedError('a constraint says no', { wholeBatch: ending === 'all refused' });
      }
      if (ending === 'lands later') this.landing.push(() => store(items));
      if (ending === 'half') await store(items.slice(0, Math.ceil(items.length / 2)));
      if (ending === 'done' || ending === 'done and lost') {
        const verdicts = await store(items);
        if (ending === 'done') return verdicts;
      }
      throw new Error('the connection is gone');
    };
    return mood === 'held' ? end() : this.#traffic.of(end());
  }

  /** A write that nobody waits for any more is committed. */
  async land(index: number): Promise<void> {
    const [store] = this.landing.splice(index, 1);
    this.#traffic.injected('late commits');
    await store?.();
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

  /** What a shop reads. */
  get reads(): Pick<MemoryPersistence, 'listByUser' | 'campaigns' | 'count'> {
    return this.#memory;
  }
}

interface Writing<T, V> {
  /** As faults are counted. */
  readonly what: string;
  /** As the history names it. */
  readonly name: string;
  readonly store: (items: readonly T[]) => Promise<readonly V[]>;
}
