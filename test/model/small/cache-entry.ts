/** One entry of a cache in Redis, and what the scripts of `lua/cache` do with it. */
export const RULES = {
  storesUnderItsLease: 'a value is stored only under the lease of its load',
  storesWhileItHolds: 'a value is stored only while its lease holds',
  dropEndsTheLease: 'an invalidation ends the lease',
  dropEndsTheMark: 'an invalidation ends the mark of a load',
  oneLease: 'no lease is given while another one is held',
  refreshKeepsOneLease: 'a refresh keeps one lease',
  resentFindsItsOwn: 'a look that is sent again finds its own lease',
  givesUpItsLease: 'a load gives up only its own lease',
  madeAnew: 'the name of a lease is made anew each time that a call runs',
  setsUnderALease: 'a value that is set is stored under a lease of its own',
  sharesOnlyStored: 'callers that came after the look share a load only if it was stored',
  laterAskAgain: 'callers that came after the last call was sent ask again',
  futureLeaseEnds: 'a lease from the future is not held',
} as const;

export type Rule = keyof typeof RULES;

/** A version of the row in the database. */
export type Version = number;

/** How the last load ended without a value: it failed, or its value could not be stored. */
interface Mark {
  readonly word: 'failed' | 'apart';
  /** What it had read. */
  readonly value: Version;
}

interface Lease {
  readonly token: number;
  readonly caller: number;
  readonly held: boolean;
  /** The clock was set back below its beginning. */
  readonly future: boolean;
}

export interface Entry {
  readonly value: Version | null;
  readonly lease: Lease | null;
  readonly mark: Mark | null;
  /** Leases that were neither ended nor ran out. */
  readonly holders: readonly number[];
  readonly minted: number;
}

export type Message =
  | { readonly kind: 'find'; readonly caller: number; readonly due: boolean }
  | { readonly kind: 'store'; readonly token: number; readonly value: Version }
  | { readonly kind: 'give up'; readonly token: number; readonly mark: Mark }
  /** `caller`: takes the lease; 0: nobody does. */
  | { readonly kind: 'drop'; readonly caller: number }
  | { readonly kind: 'write'; readonly value: Version };

type Word = 'found' | 'refresh' | 'load' | 'loading' | 'failed' | 'apart' | 'stored' | 'superseded' | 'ended';

export interface Ran {
  readonly entry: Entry;
  readonly word: Word;
  /** The promise that this run broke, and how. */
  readonly broken?: string;
}

export const EMPTY: Entry = { value: null, lease: null, mark: null, holders: [], minted: 0 };

export function scriptsUnder(rules: Record<Rule, boolean>) {
  const isHeld = ({ lease }: Entry) => lease?.held === true && !(rules.futureLeaseEnds && lease.future);

  /** A lease of a caller's own name is one that a late copy brings back. */
  const leased = (entry: Entry, caller: number): Entry => {
    const minted = entry.minted + 1;
    const token = rules.madeAnew ? minted : -caller;
    const lease = { token, caller, held: true, future: false };
    return { ...entry, lease, minted, holders: [...entry.holders, token] };
  };

  const find = (entry: Entry, caller: number, due: boolean): Ran => {
    const isOwn = rules.resentFindsItsOwn && isHeld(entry) && entry.lease!.caller === caller;
    const isTaken = isHeld(entry) && !isOwn;
    if (entry.value !== null) {
      if (!due || entry.mark || (isTaken && rules.refreshKeepsOneLease)) return { entry, word: 'found' };
      return { entry: isOwn ? entry : leased(entry, caller), word: 'refresh' };
    }
    if (entry.mark) return { entry, word: entry.mark.word };
    if (isOwn) return { entry, word: 'load' };
    if (isTaken && rules.oneLease) return { entry, word: 'loading' };
    return { entry: leased(entry, caller), word: 'load' };
  };

  const without = ({ holders }: Entry, token: number) => holders.filter((one) => one !== token);

  const store = (entry: Entry, token: number, value: Version): Ran => {
    const isOwn = entry.lease?.token === token;
    const isLate = isOwn && !isHeld(entry);
    if ((rules.storesUnderItsLease && !isOwn) || (rules.storesWhileItHolds && isLate))
      return { entry, word: 'superseded' };
    const isOver = isOwn && !entry.lease?.held;
    return {
      entry: { ...entry, value, lease: null, mark: null, holders: without(entry, token) },
      word: 'stored',
      ...(isOver && { broken: 'counted: a value is stored long after it was counted' }),
    };
  };

  const giveUp = (entry: Entry, token: number, mark: Mark): Ran => {
    if (rules.givesUpItsLease && entry.lease?.token !== token) return { entry, word: 'superseded' };
    return { entry: { ...entry, lease: null, mark, holders: without(entry, token) }, word: 'ended' };
  };

  const drop = (entry: Entry, caller: number): Ran => {
    const lease = rules.dropEndsTheLease ? null : entry.lease;
    const mark = rules.dropEndsTheMark ? null : entry.mark;
    const ended = { ...entry, value: null, lease, mark, holders: [] };
    return { entry: caller === 0 ? ended : leased(ended, caller), word: 'ended' };
  };

  const run = (entry: Entry, message: Message): Ran => {
    if (message.kind === 'find') return find(entry, message.caller, message.due);
    if (message.kind === 'store') return store(entry, message.token, message.value);
    if (message.kind === 'give up') return giveUp(entry, message.token, message.mark);
    if (message.kind === 'drop') return drop(entry, message.caller);
    return { entry: { ...entry, value: message.value, lease: null, mark: null, holders: [] }, word: 'stored' };
  };

  return { run, isHeld };
}
