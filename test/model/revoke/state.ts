import type { Life, RowChange } from '../../../src/model/life.js';
import type { Rules } from './rules.js';

/** How a call asks for a coupon: `behind` is write-behind, `queued` the waiting room. */
type Way = 'issue' | 'behind' | 'queued';

export interface Configuration {
  /** Units at the beginning. */
  readonly total: number;
  /** Who asks under which id, and how. It begins once the call before it has its answer, if it says so. */
  readonly calls: readonly {
    readonly user: number;
    readonly id: string;
    readonly way?: Way;
    readonly afterCall?: number;
  }[];
  readonly revokes: readonly Revocation[];
  /** Claims of settle, redemptions of X, rebuilds without need, losses of Redis, crashes, and late messages: how many at most. */
  readonly settles: number;
  readonly redeems?: number;
  readonly rebuilds?: number;
  readonly loses?: 'everything' | 'a while';
  readonly crashes: number;
  readonly faults: number;
  /** Units are delivered before they are saved. */
  readonly delivers?: true;
}

interface Revocation {
  readonly by: string;
  readonly unit: 'kept' | 'returned';
  readonly again: boolean;
}

export interface World {
  readonly config: Configuration;
  readonly rules: Rules;
}

/** x: issued and marked as revoked. */
export interface Grant {
  readonly state: 'r' | 't' | 'i' | 'x';
  readonly id: string;
  readonly serial: number;
  readonly stamp: number;
}

/** All keys of the campaign. */
export interface Redis {
  state: 'up' | 'gone' | 'building';
  epoch: number;
  lastSerial: number;
  replaced: number;
  withdrawn: number;
  /** Units that came back, the next one first. */
  free: number[];
  /** By user: each may have one. */
  grants: (Grant | null)[];
  /** The version that is announced of X, -1 without one. */
  announced: number;
  /** The calls in line. */
  line: number[];
}

export interface Row {
  readonly id: string;
  readonly user: number;
  readonly serial: number;
  /** 0: it was freed. */
  readonly grant: number;
  readonly life: Life;
}

/** A reservation as its owner knows it. */
export interface Held {
  readonly user: number;
  readonly id: string;
  readonly serial: number;
  readonly stamp: number;
  readonly epoch: number;
}

/** What a take-back names. */
export interface Unit {
  readonly id: string;
  readonly user: number;
  readonly serial: number;
  readonly frees: boolean;
  readonly returns: boolean;
}

export type Message =
  | { readonly op: 'save' | 'confirm' | 'release' | 'reassign'; readonly held: Held }
  | { readonly op: 'adopt'; readonly held: Held; readonly row: Row }
  | { readonly op: 'announce' | 'drop'; readonly version: number }
  | { readonly op: 'change'; readonly change: RowChange }
  | { readonly op: 'takeBack'; readonly unit: Unit };

export interface Reply {
  readonly word: string;
  readonly row?: Row | null;
  readonly held?: Held;
}

export interface Call {
  readonly step: 'reserve' | 'watch' | 'send' | 'done';
  readonly held: Held | null;
  /** What it sends next. */
  readonly next: Message | null;
  readonly mayRelease: boolean;
  readonly inDoubt: boolean;
  /** It has its answer. What it sends then, nobody waits for. */
  readonly isTold: boolean;
  /** It began after a revoke of its coupon was answered; `lax`: and Redis lost data since. */
  readonly after: 'no' | 'yes' | 'lax';
}

/** Settle, or the process that admitted. */
export interface Carrier {
  readonly held: Held | null;
  readonly next: Message | null;
}

export interface Revoker {
  readonly step: 'look' | 'announce' | 'change' | 'takeBack' | 'announceAgain' | 'done';
  /** The change that it decided on. */
  readonly change: RowChange | null;
  readonly unit: Unit | null;
  /** Of the row, as it knows it. */
  readonly version: number;
  readonly looksLeft: number;
  /** It was answered that the unit is back. */
  readonly isDone: boolean;
}

export interface Worker {
  readonly step: 'idle' | 'look' | 'send';
  readonly version: number;
  readonly next: Message | null;
}

export interface State {
  redis: Redis;
  /** An earlier state of Redis, to which it may go back. */
  copy: Redis | null;
  rows: Row[];
  calls: Call[];
  carrier: Carrier;
  revokers: Revoker[];
  worker: Worker;
  /** A rebuild that read these rows. */
  page: readonly Row[] | null;
  /** The grants that it put aside. */
  old: readonly (Grant | null)[];
  late: Message[];
  delivered: number[];
  settles: number;
  redeems: number;
  rebuilds: number;
  losses: number;
  faults: number;
  crashes: number;
  /** Redis knows all it should: since the beginning, or since a rebuild that no save and no revoke passed by. */
  sound: boolean;
  /** A revoke went on without its announcement, or Redis lost it. Only `reconcile` knows of it. */
  unannounced: boolean;
  broken: string | null;
}

export const IDLE_CARRIER: Carrier = { held: null, next: null };
export const IDLE_WORKER: Worker = { step: 'idle', version: 0, next: null };

export function begin({ config }: World): State {
  const users = Math.max(...config.calls.map(({ user }) => user)) + 1;
  return {
    redis: {
      state: 'up',
      epoch: 1,
      lastSerial: 0,
      replaced: 0,
      withdrawn: 0,
      free: [],
      grants: Array(users).fill(null),
      announced: -1,
      line: [],
    },
    copy: null,
    rows: [],
    calls: config.calls.map(() => ({
      step: 'reserve',
      held: null,
      next: null,
      mayRelease: false,
      inDoubt: false,
      isTold: false,
      after: 'no',
    })),
    carrier: IDLE_CARRIER,
    revokers: config.revokes.map(() => ({
      step: 'look',
      change: null,
      unit: null,
      version: 0,
      looksLeft: 2,
      isDone: false,
    })),
    worker: IDLE_WORKER,
    page: null,
    old: [],
    late: [],
    delivered: [],
    settles: config.settles,
    redeems: config.redeems ?? 0,
    rebuilds: config.rebuilds ?? 0,
    losses: config.loses ? 1 : 0,
    faults: config.faults,
    crashes: config.crashes,
    sound: true,
    unannounced: false,
    broken: null,
  };
}

export function copyRedis(redis: Redis): Redis {
  return { ...redis, free: redis.free.slice(), grants: redis.grants.slice(), line: redis.line.slice() };
}

/** A state to change in place. What is inside the lists is never changed. */
export function copyState(state: State): State {
  return {
    ...state,
    redis: copyRedis(state.redis),
    rows: state.rows.slice(),
    calls: state.calls.slice(),
    revokers: state.revokers.slice(),
    late: state.late.slice(),
    delivered: state.delivered.slice(),
  };
}

export function isRevoked({ life }: Row): boolean {
  return life.state === 'revoked';
}

/** Redis lost or forgot something. */
export function hasLost({ config }: World, { losses }: State): boolean {
  return config.loses !== undefined && losses === 0;
}

/** What a take-back does, as the row says. */
export function unitOf({ id, user, serial, grant, life }: Row): Unit {
  return { id, user, serial, frees: grant === 0, returns: life.unitReturned };
}

export function rowOf(state: State, id: string): Row | null {
  return state.rows.find((row) => row.id === id) ?? null;
}
