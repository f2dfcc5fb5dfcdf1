import { type Issuance, rowState } from '../../../src/model/issuance.js';
import { changedRow, type RowChange, UNTOUCHED } from '../../../src/model/life.js';
import { knownVerdict } from '../../../src/persistence/verdict.js';
import { type Held, hasLost, isRevoked, type Reply, type Row, rowOf, type State, type World } from './state.js';

/** The id of the coupon that is revoked. */
export const TARGET = 'X';
const NOW = new Date(0);

/** As the library knows a row, or what is to become one. */
function issuanceOf({ id, user, serial, grant, life }: Row): Issuance {
  return {
    campaignId: 'launch',
    id,
    userId: `user${user}`,
    grant,
    serial,
    code: null,
    issuedAt: NOW,
    epoch: '1',
    state: rowState(life),
    life,
  };
}

/** A save of the database under its unique keys, and the verdict of the library on it. */
export function save(world: World, state: State, { user, id, serial, epoch }: Held): Reply {
  const { rules } = world;
  if (rowOf(state, id)?.serial === serial && !rules.saveTellsRevoked) return { word: 'saved' };
  const row: Row = { id, user, serial, grant: 1, life: UNTOUCHED };
  const known = knownVerdict(issuanceOf(row), state.rows.map(issuanceOf));
  if (known?.verdict === 'user_conflict') return { word: 'user_conflict', row: rowOf(state, known.existing.id) };
  if (known) return { word: known.verdict };
  state.rows.push(row);
  state.rows.sort((a, b) => a.serial - b.serial);
  const { redis, old } = state;
  const grant = (redis.state === 'building' ? old : redis.grants)[user];
  // Without a promise Redis does not know of it. After a loss another call may have the promise, and give it up.
  const isOld = hasLost(world, state) && epoch !== redis.epoch;
  if (isOld || grant?.id !== id || grant.serial !== serial) state.sound = false;
  return { word: 'saved' };
}

/** A change of the row of X, by the function of the library. */
export function change(state: State, change: RowChange): Reply {
  const row = rowOf(state, TARGET);
  const changed = row && changedRow(row, change, NOW);
  if (!changed) return { word: 'unchanged', row };
  if (isRevoked(row) && changed.life.state !== 'revoked') state.broken ??= 'L6: a revoked coupon came back';
  if (row.life.state === 'redeemed' && changed.life.state === 'revoked')
    state.broken ??= 'L1: a redeemed coupon was revoked';
  const after: Row = { ...row, grant: change.freesGrant ? 0 : row.grant, life: { ...changed.life, at: null } };
  state.rows = state.rows.map((one) => (one === row ? after : one));
  return { word: 'changed', row: after };
}
