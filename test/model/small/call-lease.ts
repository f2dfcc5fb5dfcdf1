import { RULES, type Rule, type Rules, scripts } from './call-lease-redis.js';
import { aroundRedis, type Bounds, type State } from './call-lease-steps.js';
import type { Part } from './part.js';
import type { Model } from './search.js';

function callLease(rules: Rules, bounds: Bounds): Model<State> {
  const lua = scripts(rules);

  const broken = ({ redis, rows, wentBack, lost, undone, forgotten }: State): string | null => {
    if (forgotten !== null) return `again: ${forgotten} was issued, and is reserved again`;
    if (redis.missing) return null;
    const { grants, building, reserved, issued, free, lastUnit, withdrawn } = redis;
    for (const [user, grant] of grants.entries()) {
      if (!grant || lua.isReserved(redis, user)) continue;
      const row = rows[user];
      if (row?.unit !== grant.unit)
        return `issued: ${user} would be told so, and has ${row ? 'another unit' : 'no row'}`;
    }
    if (building) return null;
    const open = [...grants.keys()].filter((user) => lua.isReserved(redis, user));
    const hasLease = (user: number) => lua.isFound(redis, user) || redis.leases.some((member) => member.user === user);
    if (lua.isWhole(redis) && !open.every(hasLease)) return 'noticed: a reservation has no lease, and nobody refuses';
    if (lost) return null;
    if (!lua.isWhole(redis)) return 'counts: a state that is whole refuses';
    const held = grants.filter((grant) => grant !== null);
    if (reserved !== open.length || issued !== held.length - open.length) {
      return `counts: ${reserved} reserved and ${issued} issued are counted of ${open.length} and ${held.length - open.length}`;
    }
    if (wentBack) return null;
    const units = [...held.map(({ unit }) => unit), ...free];
    if (new Set(units).size < units.length) return 'unit: one is in two hands';
    if (units.length + withdrawn !== lastUnit) return 'unit: one is in nobody’s hands';
    if (rows.some((row) => row && undone.includes(row.take)))
      return 'undone: a reservation that was released has a row';
    const orphan = rows.findIndex((row, user) => row && row.take > 0 && grants[user]?.take !== row.take);
    return orphan < 0 ? null : `kept: the row of ${orphan} has no record`;
  };

  return { ...aroundRedis(lua, bounds), broken };
}

const configurations = {
  'parts that go another way': { calls: [[0, 1], [0]], faults: 1, claims: 1 },
  'three parts': { calls: [[0, 1, 2], [0]], claims: 1 },
  'a part with another unit, and one that is revoked': {
    calls: [[0, 1]],
    faults: 1,
    claims: 1,
    strangers: 1,
    revokes: 1,
  },
  'units that come back': { calls: [[0, 1], [2]], faults: 1 },
  'a rollback': { calls: [[0, 1], [0]], faults: 1, rollbacks: 1 },
  'a rollback, and settle': { calls: [[0, 1]], faults: 1, claims: 1, rollbacks: 1 },
  'a rollback, and a clock that is set back': {
    calls: [
      [0, 1],
      [2, 3],
    ],
    rollbacks: 1,
    clockIsSetBack: true,
  },
  'a rollback, and a reserve that is sent again': { calls: [[0, 1], [2]], faults: 1, rollbacks: 1, resends: true },
  'leases that are lost': { calls: [[0, 1]], claims: 1, losses: 1, rebuilds: 1, loses: 'leases' },
  'a campaign that is lost': { calls: [[0, 1], [0]], losses: 1, rebuilds: 1, loses: 'campaign' },
  'a rebuild': { calls: [[0, 1], [0]], rebuilds: 1, faults: 1 },
} satisfies Record<string, Bounds>;

export const CALL_LEASE: Part<Rule, keyof typeof configurations> = {
  rules: RULES,
  model: (rules, name) => callLease(rules, configurations[name]) as Model<unknown>,
  configurations: Object.keys(configurations) as (keyof typeof configurations)[],
  mutants: [
    ['allNamed', 'issued', 'a rollback'],
    ['neverDiminished', 'issued', 'a rollback'],
    ['stampNamed', 'issued', 'a rollback, and a reserve that is sent again'],
    ['senderNamed', 'issued', 'a rollback, and a clock that is set back'],
    ['leaseFirst', 'counts', 'parts that go another way'],
    ['epochNamed', 'counts', 'a rebuild'],
    ['endIsWritten', 'issued', 'leases that are lost'],
    ['partsGetLeases', 'counts', 'parts that go another way'],
    ['confirmDivides', 'counts', 'parts that go another way'],
    ['releaseDivides', 'counts', 'parts that go another way'],
    ['takeoverDivides', 'counts', 'parts that go another way'],
    ['claimDivides', 'counts', 'parts that go another way'],
    ['reassignDivides', 'counts', 'a part with another unit, and one that is revoked'],
    ['revokeDivides', 'counts', 'a part with another unit, and one that is revoked'],
    ['adoptDivides', 'counts', 'a rollback'],
    ['callsAreCounted', 'counts', 'parts that go another way'],
    ['lossIsNoticed', 'noticed', 'leases that are lost'],
    ['rebuildKeepsCalls', 'again', 'a rebuild'],
    ['stampFences', 'undone', 'parts that go another way'],
  ],
};
