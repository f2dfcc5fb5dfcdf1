import { administration } from './administration.js';
import { callers } from './callers.js';
import { Encoder } from './canonical.js';
import { initialState } from './initial.js';
import { broken } from './invariants.js';
import { drained, isQuiet } from './quiescence.js';
import { arrivals, type Emit } from './send.js';
import { settlers } from './settlers.js';
import type { State } from './state.js';
import type { World } from './world.js';
import { wrecks } from './wrecks.js';

export interface Exploration {
  readonly states: number;
  readonly transitions: number;
  readonly depth: number;
  /** Every state that can be reached was looked at. */
  readonly complete: boolean;
  readonly violation: Violation | null;
}

export interface Violation {
  /** Begins with the name of the invariant. */
  readonly what: string;
  /** The shortest way there. */
  readonly trace: readonly string[];
}

/** Where a state was found first: from which one, and which of its successors it is. */
class Parents {
  #from = new Int32Array(1 << 16);
  #nth = new Uint16Array(1 << 16);
  length = 0;

  add(from: number, nth: number): number {
    if (this.length === this.#from.length) {
      const [from2, nth2] = [new Int32Array(2 * this.length), new Uint16Array(2 * this.length)];
      from2.set(this.#from);
      nth2.set(this.#nth);
      this.#from = from2;
      this.#nth = nth2;
    }
    this.#from[this.length] = from;
    this.#nth[this.length] = nth;
    return this.length++;
  }

  /** Which successor to take, again and again, from the first state on. */
  wayTo(state: number): number[] {
    const way: number[] = [];
    for (let at = state; at > 0; at = this.#from[at]!) way.push(this.#nth[at]!);
    return way.reverse();
  }
}

/** A set of pairs of 32-bit hashes. */
class Seen {
  #size = 1 << 18;
  #a = new Uint32Array(this.#size);
  #b = new Uint32Array(this.#size);
  count = 0;

  /** Whether it is new. */
  add(high: number, low: number): boolean {
    if (this.count * 2 > this.#size) this.#grow();
    if (!this.#insert(high || 1, low)) return false;
    this.count++;
    return true;
  }

  #insert(high: number, low: number): boolean {
    const mask = this.#size - 1;
    for (let at = (high ^ Math.imul(low, 0x9e3779b1)) & mask; ; at = (at + 1) & mask) {
      if (this.#a[at] === 0) {
        this.#a[at] = high;
        this.#b[at] = low;
        return true;
      }
      if (this.#a[at] === high && this.#b[at] === low) return false;
    }
  }

  #grow(): void {
    const [a, b] = [this.#a, this.#b];
    this.#size *= 2;
    this.#a = new Uint32Array(this.#size);
    this.#b = new Uint32Array(this.#size);
    for (let i = 0; i < a.length; i++) if (a[i]) this.#insert(a[i]!, b[i]!);
  }
}

function successors(world: World, state: State, emit: Emit): void {
  wrecks(world, state, emit);
  callers(world, state, emit);
  settlers(world, state, emit);
  administration(world, state, emit);
  arrivals(world, state, emit);
}

/** Breadth first, so that the first violation found has the shortest trace. */
export function explore(world: World, limit = 50_000_000): Exploration {
  const encoder = new Encoder(world);
  const seen = new Seen();
  const parents = new Parents();
  const first = initialState(world.config);
  seen.add(...encoder.hash(first));
  parents.add(-1, 0);
  let frontier: { state: State; at: number }[] = [{ state: first, at: 0 }];
  let transitions = 0;
  let depth = 0;
  let found: { what: string; at: number } | null = null;
  while (frontier.length > 0 && !found && seen.count < limit) {
    const next: typeof frontier = [];
    for (const { state, at } of frontier) {
      let nth = 0;
      successors(world, state, (successor) => {
        transitions++;
        nth++;
        if (found || !seen.add(...encoder.hash(successor))) return;
        const here = parents.add(at, nth - 1);
        const what = judge(world, successor);
        if (what) found = { what, at: here };
        else next.push({ state: successor, at: here });
      });
      if (found) break;
    }
    frontier = next;
    depth++;
  }
  const violation = found ? violationAt(world, first, parents, found) : null;
  const complete = !violation && frontier.length === 0;
  return { states: seen.count, transitions, depth, complete, violation };
}

function judge(world: World, state: State): string | null {
  const what = broken(world, state);
  if (what || !isQuiet(state) || world.config.strictDelivery) return what;
  return drained(world, state);
}

function violationAt(
  world: World,
  first: State,
  parents: Parents,
  { what, at }: { what: string; at: number },
): Violation {
  let state = first;
  const trace: string[] = [];
  for (const nth of parents.wayTo(at)) {
    let count = 0;
    let taken: State | null = null;
    successors(world, state, (successor, why) => {
      if (count++ !== nth) return;
      taken = successor;
      trace.push(why());
    });
    state = taken!;
  }
  const told = state.calls.map(({ told, toldUnit }, i) => `call${i} ${told}${toldUnit ? ` ${toldUnit >> 4}` : ''}`);
  return { what, trace: [...trace, `told: ${told.join(', ')}`] };
}
