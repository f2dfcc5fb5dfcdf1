/**
 * One lease for all reservations of a script call, as Redis would keep it, and the effect of each script on it. A lease
 * is all or nothing: a script that acts on one part divides it first, and from then on each part has a lease of its own.
 */
export const RULES = {
  allNamed: 'a call is confirmed as a whole only if as many are named as were reserved',
  neverDiminished: 'a call that lost a part is no longer confirmed as a whole',
  stampNamed: 'a confirm of a whole call names its stamp, which another run of the call has not',
  senderNamed: 'a confirm of a whole call names sender and call, whose stamp a clock may give once more',
  leaseFirst: 'a confirm of a whole call changes nothing where its lease is gone',
  epochNamed: 'a confirm of a whole call names its epoch',
  endIsWritten: 'a part is issued because a confirm wrote so of its call, and not because its lease is gone',
  partsGetLeases: 'the parts of a divided call get leases of their own',
  confirmDivides: 'a confirm of one part divides the call',
  releaseDivides: 'a release divides the call',
  takeoverDivides: 'a repeat that takes one part over divides the call',
  claimDivides: 'settle divides the call of which it claims a part',
  reassignDivides: 'another unit for one part divides the call',
  revokeDivides: 'a unit that is taken back divides the call',
  adoptDivides: 'a row that replaces one part divides the call',
  callsAreCounted: 'leases are compared with the calls and the single parts that are counted',
  lossIsNoticed: 'nobody acts while leases are missing',
  rebuildKeepsCalls: 'a rebuild keeps the notes of calls with the old grants',
  stampFences: 'who acts on one part names its stamp',
} as const;

export type Rule = keyof typeof RULES;
export type Rules = Record<Rule, boolean>;

/**
 * `c`: of a call, and issued once the note of that call says so. `r`, `t`: reserved, with a lease of its own.
 * `i`: issued. `take`: which time a unit was taken, through every change of owner.
 */
export interface Grant {
  readonly letter: 'c' | 'r' | 't' | 'i';
  readonly stamp: number;
  readonly take: number;
  readonly unit: number;
}

/** The note of a call, a field among the grants. `by`: its sender and number. Confirmed it is a word, without users. */
export interface CallNote {
  readonly isIssued: boolean;
  readonly stamp: number;
  readonly by: number;
  readonly users: readonly number[];
}

/** A member of the sorted set: when is left out, because any lease may run out at any time. */
export type Member =
  | { readonly user: number; readonly quarantined: boolean }
  | { readonly user: null; readonly stamp: number };

export interface Redis {
  readonly epoch: number;
  readonly building: boolean;
  /** The campaign is lost. */
  readonly missing: boolean;
  readonly stamp: number;
  /** By user. While the state is made anew: the old ones. */
  readonly grants: readonly (Grant | null)[];
  readonly calls: readonly CallNote[];
  readonly leases: readonly Member[];
  readonly reserved: number;
  readonly issued: number;
  /** Calls with a lease, and the reservations within them. */
  readonly leased: number;
  readonly within: number;
  readonly free: readonly number[];
  readonly lastUnit: number;
  readonly withdrawn: number;
  readonly seen: readonly number[];
}

export interface Row {
  readonly unit: number;
  readonly take: number;
  readonly revoked: boolean;
}

/** What a script that acts on one reservation names. */
export interface Named {
  readonly user: number;
  readonly stamp: number;
  readonly epoch: number;
}

export const emptyRedis = (users: number): Redis => ({
  epoch: 1,
  building: false,
  missing: false,
  stamp: 0,
  grants: Array<null>(users).fill(null),
  calls: [],
  leases: [],
  reserved: 0,
  issued: 0,
  leased: 0,
  within: 0,
  free: [],
  lastUnit: 0,
  withdrawn: 0,
  seen: [],
});

/** What a confirm of a whole call names. */
export interface CallNamed extends Omit<CallNote, 'isIssued'> {
  readonly epoch: number;
}

const without = (leases: readonly Member[], user: number) => leases.filter((member) => member.user !== user);
const withSingle = (leases: readonly Member[], user: number, quarantined = false): Member[] =>
  [...without(leases, user), { user, quarantined }].sort((a, b) => (a.user ?? 9) - (b.user ?? 9));
const withoutCall = (leases: readonly Member[], stamp: number) =>
  leases.filter((member) => member.user !== null || member.stamp !== stamp);

export function scripts(rules: Rules) {
  const isReserved = (redis: Redis, user: number): boolean => {
    const grant = redis.grants[user];
    if (!grant || grant.letter === 'i') return false;
    if (grant.letter !== 'c') return true;
    const { stamp } = grant;
    if (rules.endIsWritten) return !redis.calls.some((call) => call.stamp === stamp && call.isIssued);
    return redis.leases.some((member) => member.user === null && member.stamp === stamp);
  };

  const isFound = ({ leases, grants }: Redis, user: number): boolean =>
    leases.some((member) =>
      member.user === null
        ? grants[user]?.letter === 'c' && grants[user].stamp === member.stamp
        : member.user === user && !member.quarantined,
    );

  /** Of the counters and the sizes of keys alone. */
  const isWhole = ({ leases, reserved, leased, within }: Redis): boolean =>
    !rules.lossIsNoticed || leases.length === (rules.callsAreCounted ? reserved - within + leased : reserved);

  const serves = (redis: Redis): boolean => !redis.missing && !redis.building && isWhole(redis);

  const withGrant = (redis: Redis, user: number, grant: Grant | null): Redis => ({
    ...redis,
    grants: redis.grants.with(user, grant),
  });

  const ended = (redis: Redis, call: CallNote): Redis => ({
    ...redis,
    calls: redis.calls.filter((one) => one !== call),
    leases: withoutCall(redis.leases, call.stamp),
    leased: redis.leased - 1,
    within: redis.within - call.users.length,
  });

  const alone = (redis: Redis, user: number): Redis => {
    const leases = rules.partsGetLeases ? withSingle(redis.leases, user) : redis.leases;
    const grant = redis.grants[user]!;
    return withGrant({ ...redis, leases }, user, { ...grant, letter: 'r' });
  };

  /** The state in which this part has a lease of its own. */
  const divided = (redis: Redis, user: number, rule: Rule): Redis => {
    const call = redis.calls.find(({ stamp, isIssued }) => stamp === redis.grants[user]!.stamp && !isIssued);
    if (redis.grants[user]!.letter !== 'c' || !call || !rules[rule]) return redis;
    if (rules.neverDiminished) return call.users.reduce(alone, ended(redis, call));
    // Only this part leaves, and the lease counts those that are left.
    const users = call.users.filter((one) => one !== user);
    if (users.length === 0) return alone(ended(redis, call), user);
    const calls = redis.calls.map((one) => (one === call ? { ...call, users } : one));
    return alone({ ...redis, calls, within: redis.within - 1 }, user);
  };

  const isHeld = (redis: Redis, { user, stamp, epoch }: Named): boolean =>
    epoch === redis.epoch && (redis.grants[user]?.stamp === stamp || !rules.stampFences) && isReserved(redis, user);

  /** Of one reservation, that ends: it leaves the leases and the count. */
  const ending = (redis: Redis, user: number, rule: Rule): Redis => {
    const single = divided(redis, user, rule);
    return { ...single, leases: without(single.leases, user), reserved: redis.reserved - 1 };
  };

  const unitOf = (redis: Redis): { unit: number; rest: Redis } => {
    const [unit, ...free] = redis.free;
    if (unit !== undefined) return { unit, rest: { ...redis, free } };
    return { unit: redis.lastUnit + 1, rest: { ...redis, lastUnit: redis.lastUnit + 1 } };
  };

  /** reserve of users that have nothing, all at once: one lease, as long as every unit is a new one. */
  const take = (redis: Redis, users: readonly number[], by: number, stamp: number, firstTake: number): Redis => {
    const letter = redis.free.length === 0 ? 'c' : 'r';
    let after = { ...redis, stamp, reserved: redis.reserved + users.length };
    users.forEach((user, nth) => {
      const { unit, rest } = unitOf(after);
      after = withGrant(rest, user, { letter, stamp, take: firstTake + nth, unit });
      if (letter === 'r') after = { ...after, leases: withSingle(after.leases, user) };
    });
    if (letter === 'r') return after;
    const calls = [...after.calls, { stamp, by, users, isIssued: false }];
    const leases = [...after.leases, { user: null, stamp }];
    return { ...after, calls, leases, leased: after.leased + 1, within: after.within + users.length };
  };

  /** A repeat, or settle: a new owner under a new stamp. */
  const passOn = (redis: Redis, user: number, stamp: number, rule: 'takeoverDivides' | 'claimDivides'): Redis => {
    const single = divided(redis, user, rule);
    const leases = withSingle(single.leases, user);
    return withGrant({ ...single, stamp, leases }, user, { ...single.grants[user]!, letter: 't', stamp });
  };

  const confirmCall = (redis: Redis, { stamp, by, users, epoch }: CallNamed): Redis => {
    if (rules.epochNamed && epoch !== redis.epoch) return redis;
    const call = redis.calls.find(
      (one) => !one.isIssued && (one.stamp === stamp || !rules.stampNamed) && (one.by === by || !rules.senderNamed),
    );
    const isThere = call && (call.users.length === users.length || !rules.allNamed);
    if (!isThere && rules.leaseFirst) return redis;
    const rest = isThere ? ended(redis, call) : redis;
    const after = isThere ? { ...rest, calls: [...rest.calls, { ...call, users: [], isIssued: true }] } : redis;
    const count = isThere ? call.users.length : users.length;
    return { ...after, reserved: redis.reserved - count, issued: redis.issued + count };
  };

  const issuedNow = (redis: Redis, user: number, rule: Rule, by: Pick<Row, 'take' | 'unit'>): Redis => {
    const after = ending(redis, user, rule);
    const { take, unit } = by;
    return withGrant({ ...after, issued: redis.issued + 1 }, user, { letter: 'i', stamp: 0, take, unit });
  };

  const confirm = (redis: Redis, named: Named): Redis =>
    isHeld(redis, named) ? issuedNow(redis, named.user, 'confirmDivides', redis.grants[named.user]!) : redis;

  /** Null: it does nothing. */
  const release = (redis: Redis, named: Named): Redis | null => {
    if (!isHeld(redis, named)) return null;
    const after = ending(redis, named.user, 'releaseDivides');
    return withGrant({ ...after, free: [...after.free, redis.grants[named.user]!.unit] }, named.user, null);
  };

  const reassign = (redis: Redis, named: Named, stamp: number): Redis | null => {
    if (!isHeld(redis, named)) return null;
    const { user } = named;
    const { unit, rest } = unitOf(divided(redis, user, 'reassignDivides'));
    const grant: Grant = { ...rest.grants[user]!, letter: 't', stamp, unit };
    const leases = withSingle(rest.leases, user);
    return withGrant({ ...rest, stamp, leases, withdrawn: rest.withdrawn + 1 }, user, grant);
  };

  const quarantine = (redis: Redis, named: Named): Redis =>
    isHeld(redis, named) ? { ...redis, leases: withSingle(redis.leases, named.user, true) } : redis;

  /** The row is proof under every stamp: the record is marked, and stays issued. */
  const takeBack = (redis: Redis, user: number, { take, unit }: Row): Redis => {
    const grant = redis.grants[user];
    if (redis.missing || redis.building || grant?.take !== take || grant.unit !== unit) return redis;
    if (isReserved(redis, user)) return issuedNow(redis, user, 'revokeDivides', grant);
    return withGrant(redis, user, { ...grant, letter: 'i', stamp: 0 });
  };

  const adopt = (redis: Redis, named: Named, row: Row): Redis => {
    if (!isHeld(redis, named)) return redis;
    const { unit } = redis.grants[named.user]!;
    const after = issuedNow(redis, named.user, 'adoptDivides', row);
    const free = [...after.free, unit].filter((one) => one !== row.unit);
    return { ...after, free, lastUnit: Math.max(after.lastUnit, row.unit) };
  };

  const begin = (redis: Redis): Redis => ({
    ...redis,
    epoch: redis.epoch + 1,
    building: true,
    missing: false,
    calls: rules.rebuildKeepsCalls ? redis.calls : [],
    leases: [],
    reserved: 0,
    issued: 0,
    leased: 0,
    within: 0,
  });

  /** Old grants become promises, and a row wins over each. Units of nobody are free again. */
  const finish = (redis: Redis, rows: readonly (Row | null)[], stamp: number): Redis => {
    const grants = redis.grants.map((grant, user): Grant | null => {
      const row = rows[user];
      if (row) return { letter: 'i', stamp: 0, take: row.take, unit: row.unit };
      return grant && { ...grant, letter: 't', stamp };
    });
    const units = grants.map((grant) => grant?.unit ?? 0);
    const lastUnit = Math.max(...units);
    const isFree = (unit: number) => !units.includes(unit);
    const count = (isIssued: boolean) => grants.filter((grant) => grant && (grant.letter === 'i') === isIssued).length;
    return {
      ...redis,
      building: false,
      stamp,
      grants,
      calls: [],
      leases: grants.flatMap((grant, user) => (grant?.letter === 't' ? [{ user, quarantined: false }] : [])),
      reserved: redis.reserved + count(false),
      issued: redis.issued + count(true),
      free: Array.from({ length: lastUnit }, (_, i) => i + 1).filter(isFree),
      lastUnit,
      withdrawn: 0,
      seen: [],
    };
  };

  return {
    ...{ isReserved, isFound, isWhole, serves, take, passOn, confirmCall, confirm, release, reassign, quarantine },
    ...{ takeBack, adopt, begin, finish },
  };
}

export type Scripts = ReturnType<typeof scripts>;
