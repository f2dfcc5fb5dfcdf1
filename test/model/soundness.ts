import type { Call, Row, State } from './state.js';

/** Whether Redis knows all it ever should: since the beginning, or since a rebuild that no late save came after. */
export function isSound(state: State): boolean {
  return !state.stray && (state.lost === 0 || state.rebuilt);
}

/** From here on callers are promised less: Redis does not know all it should. */
export function loosen(state: State): void {
  state.calls = state.calls.map((call) => (isUnderWay(call) ? { ...call, lax: true } : call));
}

function isUnderWay({ told, step, pending, round }: Call): boolean {
  return told !== 'nothing' || (step !== 'reserve' && step !== 'find') || pending !== null || round > 0;
}

/** A row is there of which Redis does not know. */
export function goAstray(state: State): void {
  state.stray = true;
  loosen(state);
}

export function rowsOf(state: State): Row[] {
  return state.rows.filter((row) => row !== null);
}
