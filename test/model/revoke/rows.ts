import type { Issuance } from '../../../src/model/issuance.js';
import { changedRow, type RowChange, UNTOUCHED } from '../../../src/model/life.js';
import { knownVerdict } from '../../../src/persistence/verdict.js';
import { type Held, isRevoked, type Reply, type Row, rowOf, type State, type World } from './state.js';

/** The id of the coupon that is revoked. */
export const TARGET = 'X';
const NOW = new Date(0);

/** As the library knows a row. */
function issuanceOf({ id, user, serial }: Pick<Row, 'id' | 'user' | 'serial'>, grant: number): Issuance {
  return {
    campaignId: 'launch',
    id,
    userId: `user${user}`,
    grant,
    serial,
    code: null,
    issuedAt: NOW,
    epoch: '1',
    state: 'issued',
  };
}

/** A save of the database under its unique keys, and the verdict of the library on it. */
export function save({ rules }: World, state: State, { user, id, serial }: Held): Reply {
  const own = rowOf(state, id);
  const isSame = own?.serial === serial;
  if (own && isRevoked(own) && isSame) return { word: rules.saveTellsRevoked ? 'user_conflict' : 'saved', row: own };
  const known = knownVerdict(
    issuanceOf({ id, user, serial }, 1),
    state.rows.map((row) => issuanceOf(row, row.grant)),
  );
  if (known?.verdict === 'user_conflict') return { word: 'user_conflict', row: rowOf(state, known.existing.id) };
  if (known) return { word: known.verdict };
  state.rows.push({ id, user, serial, grant: 1, life: UNTOUCHED });
  state.rows.sort((a, b) => a.serial - b.serial);
  const { redis, old } = state;
  const grant = (redis.state === 'building' ? old : redis.grants)[user];
  // Without a promise Redis does not know of it.
  if (grant?.id !== id || grant.serial !== serial) state.sound = false;
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
