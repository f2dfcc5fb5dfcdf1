import { copyState } from './copy.js';
import { execute } from './scripts.js';
import type { Message, Reply, State } from './state.js';
import type { World } from './world.js';

/** Receives each state that may come next; `why` is only called when a trace is printed. */
export type Emit = (next: State, why: () => string) => void;

/** Lets the sender know; `null`: no reply came. */
type Answered = (next: State, reply: Reply | null) => void;

interface Sending {
  readonly who: string;
  readonly message: Message;
  readonly answered: Answered;
  /** The client sends it again after its reply was lost: what the sender remembers meanwhile. Absent: it never does. */
  readonly resend?: (next: State) => void;
}

/**
 * One remote call and its faults. Each fault is taken from the budget: the call is lost; its reply is lost; it comes late, after the sender gave up;
 * a copy of it stays under way; or its reply is lost and the client sends it again.
 */
export function send(world: World, state: State, emit: Emit, sending: Sending): void {
  const { who, message, answered, resend } = sending;
  const outcome = (how: string, cost: number, runs: boolean, copy: boolean, replies: boolean) => {
    const next = copyState(state);
    next.faults -= cost;
    const reply = runs ? execute(world, next, message) : null;
    if (copy) next.messages.push(message);
    answered(next, replies ? reply : null);
    emit(next, () => `${who} ${describe(message)}${how} → ${replies ? describeReply(reply!) : '?'}`);
  };
  outcome('', 0, true, false, true);
  if (state.faults === 0 || world.config.certain) return;
  outcome(' [lost]', 1, false, false, false);
  outcome(' [reply lost]', 1, true, false, false);
  if (state.messages.length < world.config.copies) outcome(' [late]', 1, false, true, false);
  if (!resend) return;
  if (state.messages.length < world.config.copies) outcome(' [a copy stays under way]', 1, true, true, true);
  const next = copyState(state);
  next.faults--;
  const reply = execute(world, next, message);
  resend(next);
  emit(next, () => `${who} ${describe(message)} [reply lost (${describeReply(reply)}), will be sent again]`);
}

/** A hook says for certain that nothing happened. */
export function certainFailure(state: State, emit: Emit, why: string, then: (next: State) => void): void {
  if (state.faults === 0) return;
  const next = copyState(state);
  next.faults--;
  then(next);
  emit(next, () => why);
}

/** Copies that are under way arrive at any time. */
export function arrivals(world: World, state: State, emit: Emit): void {
  state.messages.forEach((message, at) => {
    const next = copyState(state);
    next.messages.splice(at, 1);
    const reply = execute(world, next, message);
    emit(next, () => `a copy arrives: ${describe(message)} → ${describeReply(reply)}`);
  });
}

function describeUnit(unit: number): string {
  return unit & 15 ? `${unit >> 4}:c${unit & 15}` : String(unit >> 4);
}

function describe({ op, process, epoch, n, upTo, items }: Message): string {
  const what = items.map(({ id, slot, unit, stamp, row }) => {
    const parts = [`id${id}`, `slot${slot}`];
    if (unit) parts.push(`unit${describeUnit(unit)}`);
    if (stamp) parts.push(`stamp${stamp}`);
    if (row) parts.push(`row(id${row.id} slot${row.slot} unit${describeUnit(row.unit)})`);
    return parts.join(' ');
  });
  return `P${process} ${op}#${n}${upTo === undefined ? '' : `-${upTo}`} epoch${epoch >> 4}-${epoch & 15} {${what.join('; ')}}`;
}

function describeReply({ word, items }: Reply): string {
  const words = items.map(({ word: of, grant }) =>
    grant ? `${of}(${grant.state}${grant.stamp} id${grant.id} unit${describeUnit(grant.unit)})` : of,
  );
  return words.length > 0 ? words.join(', ') : word;
}
