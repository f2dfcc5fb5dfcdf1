import type { Exploration } from '../explore.js';

/** Receives each state that may come next, and what happened. */
export type Emit<S> = (next: S, why: string) => void;

/** A model of one part of the protocol. States are plain values, never changed in place. */
export interface Model<S> {
  readonly first: S;
  readonly steps: (state: S, emit: Emit<S>) => void;
  /** The promise that is broken in this state and how, or null. Begins with the name of the promise. */
  readonly broken: (state: S) => string | null;
  /** Names that only have to differ, such as random ones, are written in the order of their places. Default: the state as it is. */
  readonly key?: (state: S) => string;
}

/** Looks at every state that can be reached, breadth first, so that the first violation has the shortest trace. */
export function search<S>({ first, steps, broken, key = JSON.stringify }: Model<S>, limit = 3_000_000): Exploration {
  const seen = new Set([hash(key(first))]);
  const found: { readonly from: number; readonly why: string }[] = [{ from: -1, why: '' }];
  let frontier: { state: S; at: number }[] = [{ state: first, at: 0 }];
  let violation: Exploration['violation'] = null;
  let [transitions, depth] = [0, 0];
  while (frontier.length > 0 && !violation && found.length < limit) {
    const next: typeof frontier = [];
    for (const { state, at } of frontier) {
      steps(state, (successor, why) => {
        transitions++;
        if (violation) return;
        const hashed = hash(key(successor));
        if (seen.has(hashed)) return;
        seen.add(hashed);
        const here = found.push({ from: at, why }) - 1;
        const what = broken(successor);
        if (what) violation = { what, trace: wayTo(found, here) };
        else next.push({ state: successor, at: here });
      });
      if (violation) break;
    }
    frontier = next;
    depth++;
  }
  return { states: found.length, transitions, depth, complete: !violation && frontier.length === 0, violation };
}

/** 53 bits of it: of a million states two share a hash once in twenty thousand runs. */
function hash(text: string): number {
  let [high, low] = [0xdeadbeef, 0x41c6ce57];
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    high = Math.imul(high ^ char, 0x9e3779b1);
    low = Math.imul(low ^ char, 0x5f356495);
  }
  high = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2ae35);
  low = Math.imul(low ^ (low >>> 16), 0x85ebca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2ae35);
  return 0x200000 * (low >>> 0) + (high & 0x1fffff);
}

function wayTo(found: readonly { readonly from: number; readonly why: string }[], state: number): string[] {
  const way: string[] = [];
  for (let at = state; at > 0; at = found[at]!.from) way.push(found[at]!.why);
  return way.reverse();
}
