import {
  type CallNamed,
  emptyRedis,
  type Grant,
  type Named,
  type Redis,
  type Row,
  type Scripts,
} from './call-lease-redis.js';
import type { Emit, Model } from './search.js';

interface Piece {
  readonly user: number;
  readonly unit: number;
  readonly take: number;
  readonly saved: boolean;
}

/** A process with the reservations of one call, or with one that it took over. */
interface Owner {
  readonly stamp: number;
  readonly epoch: number;
  /** Its call; below 0: none, and below -1 it is settle. */
  readonly by: number;
  readonly pieces: readonly Piece[];
  readonly mayRelease: boolean;
}

type Message =
  | ({ readonly kind: 'confirm call' } & CallNamed)
  | ({ readonly kind: 'confirm' | 'release' | 'reassign' | 'quarantine' } & Named)
  | ({ readonly kind: 'take back'; readonly user: number } & Row)
  | { readonly kind: 'reserve'; readonly by: number };

export interface State {
  readonly redis: Redis;
  /** What Redis goes back to. */
  readonly backup: Redis | null;
  readonly wentBack: boolean;
  /** A user whose coupon was issued in Redis, and is reserved again. */
  readonly forgotten: number | null;
  readonly lost: boolean;
  readonly clock: number;
  readonly takes: number;
  readonly sent: readonly number[];
  readonly owners: readonly Owner[];
  readonly wire: readonly Message[];
  /** Saves that time out, and may still land. */
  readonly late: readonly Piece[];
  readonly rows: readonly (Row | null)[];
  /** The takes whose callers were told that they have no row. */
  readonly undone: readonly number[];
  readonly left: Left;
}

/** How often each thing may still happen. `faults`: a call is late, or a copy of it is. */
interface Left {
  readonly faults: number;
  readonly claims: number;
  /** Rows of others that Redis never knew. */
  readonly strangers: number;
  readonly revokes: number;
  readonly rollbacks: number;
  readonly losses: number;
  readonly rebuilds: number;
}

const NOTHING: Left = { faults: 0, claims: 0, strangers: 0, revokes: 0, rollbacks: 0, losses: 0, rebuilds: 0 };

/** The users of each call. A user of an earlier one repeats its request. */
export interface Bounds extends Partial<Left> {
  readonly calls: readonly (readonly number[])[];
  readonly loses?: 'leases' | 'campaign';
  readonly clockIsSetBack?: true;
  readonly resends?: true;
}

/** Callers, settle, operators and accidents, around these scripts. */
export function aroundRedis(
  lua: Scripts,
  { calls, loses, clockIsSetBack, resends, ...left }: Bounds,
): Omit<Model<State>, 'broken'> {
  const nobody = Array<null>(Math.max(...calls.flat()) + 1).fill(null);
  const first: State = {
    redis: emptyRedis(nobody.length),
    backup: null,
    wentBack: false,
    forgotten: null,
    lost: false,
    clock: 0,
    takes: 0,
    sent: [],
    owners: [],
    wire: [],
    late: [],
    // The last one is of a stranger.
    rows: [...nobody, null],
    undone: [],
    left: { ...NOTHING, ...left },
  };

  const spent = (state: State, what: keyof Left): State => ({
    ...state,
    left: { ...state.left, [what]: state.left[what] - 1 },
  });
  const nextStamp = ({ redis, clock }: State) => (clockIsSetBack ? redis.stamp : clock) + 1;
  const stamped = (state: State): State => ({ ...state, clock: Math.max(state.clock, nextStamp(state)) });
  const owning = (state: State, owner: Omit<Owner, 'epoch'>): State => {
    const owned = { ...owner, epoch: state.redis.epoch };
    return { ...state, owners: [...state.owners, owned].sort((a, b) => a.stamp - b.stamp) };
  };

  const reserve = (state: State, by: number, isHeard = true): State => {
    const { redis } = state;
    if (!lua.serves(redis) || redis.seen.includes(by)) return state;
    const users = calls[by]!;
    const stamp = nextStamp(state);
    const seen = { ...stamped(state), redis: { ...redis, seen: [...redis.seen, by].sort() } };
    const piecesOf = ({ grants }: Redis) =>
      users.map((user) => ({ user, unit: grants[user]!.unit, take: grants[user]!.take, saved: false }));
    if (users.every((user) => !redis.grants[user])) {
      const taken = lua.take(seen.redis, users, by, stamp, state.takes + 1);
      const after = { ...seen, takes: state.takes + users.length, redis: taken };
      return isHeard ? owning(after, { stamp, by, pieces: piecesOf(taken), mayRelease: true }) : after;
    }
    const [user] = users as [number];
    // One in quarantine stays there.
    if (users.length > 1 || !lua.isReserved(redis, user) || !lua.isFound(redis, user)) return seen;
    const taken = lua.passOn(seen.redis, user, stamp, 'takeoverDivides');
    const after = { ...seen, redis: taken };
    return isHeard ? owning(after, { stamp, by: -1, pieces: piecesOf(taken), mayRelease: false }) : after;
  };

  /** What Redis does with it; `isHeard`: its process still waits for the answer. */
  const run = (state: State, message: Message, isHeard: boolean): State => {
    const { redis } = state;
    const to = (after: Redis): State => ({ ...state, redis: after });
    switch (message.kind) {
      case 'reserve':
        return reserve(state, message.by, isHeard);
      case 'confirm call':
        return to(lua.confirmCall(redis, message));
      case 'confirm':
        return to(lua.confirm(redis, message));
      case 'quarantine':
        return to(lua.quarantine(redis, message));
      case 'take back':
        return to(lua.takeBack(redis, message.user, message));
      case 'release': {
        const after = lua.release(redis, message);
        if (!after) return state;
        const { take } = redis.grants[message.user]!;
        return { ...to(after), undone: isHeard ? [...state.undone, take].sort() : state.undone };
      }
      case 'reassign': {
        const stamp = nextStamp(state);
        const after = lua.reassign(redis, message, stamp);
        if (!after) return state;
        const { take, unit } = after.grants[message.user]!;
        const moved = { ...stamped(state), redis: after };
        const pieces = [{ user: message.user, unit, take, saved: false }];
        return isHeard ? owning(moved, { stamp, by: -1, pieces, mayRelease: false }) : moved;
      }
    }
  };

  /** At once; or late, when nobody waits for it any more; or twice. */
  const send = (state: State, message: Message, what: string, emit: Emit<State>) => {
    emit(run(state, message, true), what);
    if (state.left.faults === 0) return;
    const faulty = spent({ ...state, wire: [...state.wire, message] }, 'faults');
    emit(faulty, `${what}, late`);
    emit(run(faulty, message, true), `${what}, and a copy is under way`);
  };

  const forgottenBy = ({ redis: before, wentBack }: State, { redis: after, ...next }: State): State => {
    const isForgotten = ({ take }: Grant, user: number) =>
      !lua.isReserved(before, user) && after.grants[user]?.take === take && lua.isReserved(after, user);
    const user = before.grants.findIndex((grant, at) => grant && isForgotten(grant, at));
    return { ...next, redis: after, forgotten: user < 0 || wentBack !== next.wentBack ? next.forgotten : user };
  };

  const steps = (state: State, emitNext: Emit<State>) => {
    const emit: Emit<State> = (next, why) => {
      emitNext(forgottenBy(state, next), why);
    };
    calls.forEach((users, by) => {
      if (state.sent.includes(by) || (by > 0 && !state.sent.includes(by - 1))) return;
      const sent = { ...state, sent: [...state.sent, by] };
      const what = `call ${by} reserves for ${users.join(' and ')}`;
      if (resends) send(sent, { kind: 'reserve', by }, what, emit);
      else emit(reserve(sent, by), what);
    });
    state.wire.forEach((message, at) => {
      const arrived = { ...state, wire: state.wire.toSpliced(at, 1) };
      emit(run(arrived, message, false), `a late ${message.kind} arrives`);
    });
    state.late.forEach((piece, at) => {
      const rows = insert(state, piece);
      if (rows) emit({ ...state, rows, late: state.late.toSpliced(at, 1) }, `the late save of ${piece.user} lands`);
    });
    state.owners.forEach((owner, at) => {
      act(state, owner, at, emit);
    });
    settle(state, emit);
    operate(state, emit);
    suffer(state, emit);
  };

  const insert = ({ rows }: State, { user, unit, take }: Piece): State['rows'] | null =>
    rows[user] || rows.some((row) => row?.unit === unit) ? null : rows.with(user, { unit, take, revoked: false });

  const act = (state: State, owner: Owner, at: number, emit: Emit<State>) => {
    const { stamp, epoch, by, pieces, mayRelease } = owner;
    const having = (some: readonly Piece[]): State => ({
      ...state,
      owners: some.length > 0 ? state.owners.with(at, { ...owner, pieces: some }) : state.owners.toSpliced(at, 1),
    });
    const of = (user: number) => `${user} under ${stamp}`;
    if (by >= 0 && pieces.every(({ saved }) => saved)) {
      const users = pieces.map(({ user }) => user);
      const message = { kind: 'confirm call', stamp, by, users, epoch } as const;
      send(having([]), message, `call ${by} is confirmed for ${users.join(' and ')}`, emit);
    }
    pieces.forEach((piece, nth) => {
      const { user, unit, saved } = piece;
      const rest = having(pieces.toSpliced(nth, 1));
      const named = { user, stamp, epoch };
      if (saved) {
        send(rest, { kind: 'confirm', ...named }, `${of(user)} is confirmed`, emit);
        return;
      }
      save(state, having, pieces, nth, emit);
      if (mayRelease) send(rest, { kind: 'release', ...named }, `${of(user)} is released`, emit);
      else if (by < -1) send(rest, { kind: 'quarantine', ...named }, `${of(user)} goes into quarantine`, emit);
      if (!state.rows.some((row, other) => row?.unit === unit && other !== user)) return;
      send(rest, { kind: 'reassign', ...named }, `${of(user)} gets another unit`, emit);
    });
  };

  type Having = (pieces: readonly Piece[]) => State;

  const save = (state: State, having: Having, pieces: readonly Piece[], nth: number, emit: Emit<State>) => {
    const piece = pieces[nth]!;
    const { user, take, unit } = piece;
    const row = state.rows[user];
    const rest = having(pieces.toSpliced(nth, 1));
    const rows = row?.take === take && row.unit === unit ? state.rows : insert(state, piece);
    if (rows) emit({ ...having(pieces.with(nth, { ...piece, saved: true })), rows }, `${user} is saved`);
    else if (row) {
      const { stamp, epoch } = state.owners.find((owner) => owner.pieces === pieces)!;
      const adopted = lua.adopt(state.redis, { user, stamp, epoch }, row);
      emit({ ...rest, redis: adopted }, `the row of ${user} is adopted`);
    }
    if (rows && state.left.faults > 0) {
      emit(spent({ ...rest, late: [...state.late, piece] }, 'faults'), `the save of ${user} times out`);
    }
  };

  /** Any lease may run out at any time. A batch of one claims a part of a call. */
  const settle = (state: State, emit: Emit<State>) => {
    const { redis } = state;
    if (state.left.claims === 0 || !lua.serves(redis)) return;
    const stamp = nextStamp(state);
    redis.grants.forEach((grant, user) => {
      if (!grant || !lua.isFound(redis, user) || !lua.isReserved(redis, user)) return;
      const after = { ...stamped(spent(state, 'claims')), redis: lua.passOn(redis, user, stamp, 'claimDivides') };
      const pieces = [{ user, unit: grant.unit, take: grant.take, saved: false }];
      emit(owning(after, { stamp, by: -2, pieces, mayRelease: false }), `settle claims ${user}`);
    });
  };

  const operate = (state: State, emit: Emit<State>) => {
    const { redis, rows, left: can } = state;
    rows.forEach((row, user) => {
      if (!row?.take || row.revoked || can.revokes === 0) return;
      const revoked = { ...spent(state, 'revokes'), rows: rows.with(user, { ...row, revoked: true }) };
      send(revoked, { kind: 'take back', user, ...row }, `${user} is revoked`, emit);
    });
    if (can.strangers > 0) {
      const row = insert(state, { user: nobody.length, unit: 1, take: 0, saved: true });
      if (row) emit({ ...spent(state, 'strangers'), rows: row }, 'somebody else has the row of unit 1');
    }
    if (redis.building) {
      const after = { ...stamped(state), lost: false, redis: lua.finish(redis, rows, nextStamp(state)) };
      emit(after, 'the rebuild is done');
    } else if (can.rebuilds > 0) emit({ ...spent(state, 'rebuilds'), redis: lua.begin(redis) }, 'a rebuild begins');
  };

  const suffer = (state: State, emit: Emit<State>) => {
    const { redis, backup, left: can } = state;
    if (can.losses > 0 && loses === 'leases' && redis.leases.length > 0) {
      emit({ ...spent(state, 'losses'), lost: true, redis: { ...redis, leases: [] } }, 'Redis loses the leases');
    } else if (can.losses > 0 && loses === 'campaign' && !redis.building) {
      const missing = { ...redis, epoch: redis.epoch + 1, missing: true };
      emit({ ...spent(state, 'losses'), lost: true, redis: missing }, 'Redis loses the campaign');
    }
    if (can.rollbacks === 0) return;
    if (!backup) emit({ ...state, backup: redis }, 'a copy of Redis is kept');
    else emit({ ...spent(state, 'rollbacks'), backup: null, wentBack: true, redis: backup }, 'Redis goes back');
  };

  /** Of stamps only the order counts, unless a clock that is set back gives one twice. */
  const key = (state: State): string => {
    if (clockIsSetBack) return JSON.stringify(state);
    const stamps = new Set<number>();
    JSON.stringify(state, (name, value: unknown) => {
      if (name === 'stamp') stamps.add(value as number);
      return value;
    });
    const order = [...stamps].sort((a, b) => a - b);
    return JSON.stringify({ ...state, clock: 0 }, (name, value: unknown) =>
      name === 'stamp' ? order.indexOf(value as number) : value,
    );
  };

  return { first, steps, key };
}
