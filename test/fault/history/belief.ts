import type { Issuance } from '../../../src/index.js';

/** What an operator may change while a campaign runs. */
export interface Rules {
  /** ms, or `null` for none. */
  readonly closesAt: number | null;
  readonly perUser: number;
  readonly savesPerSecond: number | null;
}

/** What the operators of a campaign believe that Redis keeps. It goes back with Redis when an older copy is put back. */
export interface Belief {
  /** The epoch that was seen last; empty where nothing is kept. */
  epoch: string;
  serving: boolean;
  /** Keys that went missing: nothing may serve. */
  partial: readonly string[];
  paused: boolean;
  closed: boolean;
  /** The total of the definition, and of now. */
  opened: number;
  total: number;
  /** Changes of the total that were made, by request id. */
  restocks: ReadonlyMap<string, number>;
  rules: Rules;
  /** Changes of the rules that were made, by request id. */
  updates: ReadonlyMap<string, string>;
  /** Rows that a rebuild under way has to bring back. */
  mustHave: readonly Issuance[] | null;
  /** It was under way in a copy that was put back: it knows no row that changed since, even once it has ended. */
  isOutdated: boolean;
  /** How many units were withdrawn: at least, at most. */
  withdrawn: readonly [number, number];
}

export function emptyBelief(): Belief {
  return {
    ...{ epoch: '', serving: false, partial: [], paused: false, closed: false, opened: 0, total: 0 },
    rules: { closesAt: null, perUser: 0, savesPerSecond: null },
    ...{ restocks: new Map(), updates: new Map(), mustHave: null, isOutdated: false, withdrawn: [0, 0] as const },
  };
}

/** An end of the window that is over, ms. */
export const OVER = 1_000;

/** For good, or until its window is moved. */
export function isOver({ closed, rules }: Belief): boolean {
  return closed || rules.closesAt === OVER;
}
