import { goAstray } from './soundness.js';
import type { Item, Row, State } from './state.js';
import { codeOf, markOf, serialOf } from './units.js';
import type { World } from './world.js';

export interface Verdict {
  readonly word: 'saved' | 'user_conflict' | 'serial_conflict' | 'code_conflict';
  readonly row: Row | null;
}

/** One adapter.save of one issuance: idempotent by id, under the unique keys of the table. */
export function save(world: World, state: State, item: Item, epoch: number): Verdict {
  const { rules } = world;
  const { id, slot, unit } = item;
  const rows = state.rows.filter((row) => row !== null);
  const sameId = rows.find((row) => row.id === id);
  if (sameId && (sameId.unit === unit || !rules.savedOnFullMatch)) return { word: 'saved', row: null };
  const sameGrant = rules.uniqueGrant ? rows.find((row) => row.slot === slot) : undefined;
  const existing = sameId ?? sameGrant;
  if (existing) return { word: 'user_conflict', row: existing };
  const serial = serialOf(unit);
  const code = codeOf(unit);
  if (rules.uniqueUnit) {
    if (state.rows[serial]) return { word: 'serial_conflict', row: null };
    if (code && rows.some((row) => codeOf(row.unit) === code)) return { word: 'code_conflict', row: null };
  } else if (state.rows[serial] || (code && rows.some((row) => codeOf(row.unit) === code))) {
    state.broken = 'I1: a serial or a code has two rows';
  }
  state.rows[serial] = { id, slot, unit, epoch };
  noteStray(world, state, item, epoch);
  return { word: 'saved', row: null };
}

/**
 * A save of an earlier epoch may land after the rebuild looked: of what Redis had lost, or, which is as bad, has given out anew and may still release.
 */
function noteStray({ config }: World, state: State, { slot, id, unit }: Item, epoch: number): void {
  const { redis } = state;
  if (state.abandoned & (1 << id) && !config.certain) goAstray(state);
  if (state.lost === 0 || !state.rebuilt || epoch === redis.epoch) return;
  const grant = redis.grants[slot];
  if (grant?.id !== id || grant.unit !== unit || grant.state === 'r') goAstray(state);
}

/** The first row after a serial, as a page of one. */
export function listAfter(state: State, serial: number): Row | null {
  return state.rows.slice(serial + 1).find((row) => row !== null) ?? null;
}

/** What the user may know by now; I10 is judged where it is promised. */
export function show(world: World, state: State, unit: number, slot: number): void {
  const mark = markOf(unit);
  const user = Math.floor(slot / world.config.perUser);
  const shown = state.shown[mark]! | (1 << user);
  state.shown[mark] = shown;
  if (shown & (shown - 1) && (state.lost === 0 || world.config.strictDelivery)) {
    state.broken = `I10: code ${mark} may be known to two users`;
  }
}
