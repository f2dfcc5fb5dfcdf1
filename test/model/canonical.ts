import { Bytes, numbered } from './bytes.js';
import { StampRanks } from './stamps.js';
import type { Build, Call, Grant, Holder, Message, Op, Operation, Redis, Row, State, Step, Told } from './state.js';
import type { World } from './world.js';

/**
 * Two states after which the same may happen get the same hash: stamps count by their order alone, call numbers and fences only where a copy or a
 * rollback could still meet them, messages in no order, and of what was told only what binds.
 */
export class Encoder {
  readonly #world: World;
  readonly #ranks: StampRanks;
  readonly #out = new Bytes();
  #rollbackAhead = false;
  /** Of each process: the lowest call number that a copy still carries, or 0. */
  #lowest: number[] = [];

  constructor(world: World) {
    this.#world = world;
    this.#ranks = new StampRanks(world);
  }

  hash(state: State): [number, number] {
    this.#out.length = 0;
    this.#ranks.read(state);
    this.#rollbackAhead = state.snapshot !== null || this.#world.config.losses.includes('rollback', state.lost);
    this.#lowest = lowestCalls(state);
    this.#state(state);
    return this.#out.hash();
  }

  #state(state: State): void {
    const out = this.#out;
    this.#redis(state, state.redis);
    out.put(state.snapshot ? 1 : 0);
    if (state.snapshot) this.#redis(state, state.snapshot);
    for (const row of state.rows) this.#row(row);
    state.processes.forEach(({ epoch, fence, nextCall }, process) => {
      out.put(epoch);
      this.#fence(state, fence);
      this.#call(nextCall, process);
    });
    for (const call of state.calls) this.#caller(state, call);
    for (const worker of state.workers) this.#holder(worker);
    this.#holder(state.operator);
    for (const list of [state.openers, state.loaders, state.rebuilders])
      for (const one of list) this.#operation(state, one);
    this.#messages(state);
    const { faults, passes, acts, pauses, lost, makings, finished, abandoned } = state;
    for (const count of [faults, passes, acts, pauses, lost, makings, abandoned]) out.put(count);
    out.wide(finished);
    out.wide(state.withdrawn);
    out.flags(state.rebuilt, state.stray);
    if (this.#world.config.deliver) for (const users of state.shown) out.put(users);
  }

  #stamp(stamp: number): void {
    this.#out.put(this.#ranks.of(stamp));
  }

  /** Call numbers matter only beside those that are still under way. */
  #call(n: number, process: number): void {
    const lowest = this.#lowest[process]!;
    this.#out.put(lowest === 0 || n < lowest ? 0 : n - lowest + 1);
  }

  /** A fence matters only where a state may be behind it. */
  #fence(state: State, fence: number): void {
    if (this.#rollbackAhead || fence > state.redis.stamp) this.#stamp(fence);
    else this.#out.put(0);
  }

  #redis(state: State, redis: Redis): void {
    const out = this.#out;
    const { present, verified, closed, paused, incomplete, overRows, build } = redis;
    out.flags(present, verified, closed, paused, incomplete, overRows, build !== null);
    for (const count of [redis.epoch, redis.lastSerial, redis.total, redis.withdrawn + MOST_OWED]) out.put(count);
    out.wide(redis.codes);
    if (this.#rollbackAhead || state.lost > 0 || this.#world.config.clockStands) this.#stamp(redis.stamp);
    for (const grant of redis.grants) this.#grant(grant);
    out.put(redis.free.length);
    for (const unit of redis.free) out.put(unit);
    for (const done of redis.loads) out.put(done);
    redis.senders.forEach(({ call, stamp }, process) => {
      const lowest = this.#lowest[process]!;
      this.#call(call, process);
      if (lowest > 0 && call >= lowest) this.#stamp(stamp);
    });
    if (build) this.#build(build);
  }

  #build({ definition, phase, old, scan, cursor, kept, vacant, dropped, listed, losses }: Build): void {
    const counts = [losses, definition, PHASES[phase], scan, cursor, vacant.length, old ? 1 : 0];
    for (const count of [...counts, ...kept, ...vacant]) this.#out.put(count);
    this.#out.wide(dropped);
    this.#out.wide(listed);
    if (old) for (const grant of old) this.#grant(grant);
  }

  #grant(grant: Grant | null): void {
    if (!grant) {
      this.#out.put(0);
      return;
    }
    this.#out.put(GRANTS[grant.state] + (grant.quarantined ? 4 : 1));
    this.#out.put(grant.id);
    this.#out.put(grant.unit);
    this.#stamp(grant.stamp);
  }

  #row(row: Row | null): void {
    if (!row) {
      this.#out.put(0);
      return;
    }
    for (const value of [row.id, row.slot, row.unit, row.epoch]) this.#out.put(value);
  }

  #caller(state: State, call: Call): void {
    const out = this.#out;
    out.put(TOLD[binding(call)]);
    out.put(call.told === 'issued' || call.told === 'accepted' ? call.toldUnit : 0);
    this.#holder(call);
    if (call.step === 'done') return;
    out.flags(call.mayRelease, call.doubt, call.lax, call.pending !== null);
    out.put(call.round);
    if (call.pending) this.#message(state, call.pending);
  }

  #holder({ step, slot, id, unit, stamp, epoch, delivered, row }: Holder): void {
    this.#out.put(STEPS[step] + (delivered ? 32 : 0));
    if (step === 'done' || step === 'idle') return;
    for (const value of [slot, id, unit, epoch]) this.#out.put(value);
    this.#stamp(stamp);
    this.#row(row);
  }

  #operation(state: State, { step, epoch, at, row, loaded, fence }: Operation): void {
    this.#out.put(OPERATIONS[step]);
    if (step === 'done') return;
    this.#out.put(epoch);
    this.#out.put(at);
    this.#out.put(loaded);
    this.#fence(state, fence);
    this.#row(row);
  }

  #message(state: State, { op, process, epoch, fence, n, upTo, items }: Message): void {
    const out = this.#out;
    out.put(OPS[op]);
    out.put(epoch);
    if (op === 'reserve') {
      out.put(process);
      this.#call(n, process);
    } else out.put(n);
    this.#fence(state, fence);
    if (upTo !== undefined) out.put(upTo);
    for (const item of items) {
      for (const value of [item.slot, item.id, item.unit, item.delivered ? 1 : 0]) out.put(value);
      this.#stamp(item.stamp);
      this.#row(item.row);
    }
  }

  /** The sum of their hashes, which knows no order. */
  #messages(state: State): void {
    const out = this.#out;
    const from = out.length;
    let a = 0;
    let b = 0;
    for (const message of state.messages) {
      this.#message(state, message);
      const [high, low] = out.hash(from);
      a = (a + high) | 0;
      b = (b + low) | 0;
      out.length = from;
    }
    out.put(state.messages.length);
    for (const part of [a, a >>> 16, b, b >>> 16]) out.wide(part & 65535);
  }
}

function lowestCalls(state: State): number[] {
  const lowest = state.processes.map(() => 0);
  const note = ({ op, process, n }: Message) => {
    if (op === 'reserve' && (lowest[process] === 0 || n < lowest[process]!)) lowest[process] = n;
  };
  state.messages.forEach(note);
  for (const { pending } of state.calls) if (pending) note(pending);
  return lowest;
}

/** What was told that binds nobody is all the same. */
function binding(call: Call): Told {
  if (call.told === 'nothing' || call.told === 'issued') return call.told;
  if (call.lax) return 'unknown';
  return call.told === 'accepted' || call.told === 'not_issued' || call.told === 'unknown' ? call.told : 'sold_out';
}

/** Below 0 is counted what rows have and Redis still counts elsewhere. */
const MOST_OWED = 16;
const PHASES = numbered('old', 'rows', 'codes');
const GRANTS = numbered('r', 't', 'i');
const TOLD = numbered<Told>(
  'nothing',
  'issued',
  'accepted',
  'not_issued',
  'already_issued',
  'sold_out',
  'not_ready',
  'not_eligible',
  'shut',
  'unknown',
);
const STEPS = numbered<Step>(
  'find',
  'refresh',
  'reserve',
  'deliver',
  'save',
  'release',
  'refuse',
  'confirm',
  'adopt',
  'reassign',
  'withdraw',
  'quarantine',
  'idle',
  'done',
);
const OPERATIONS = numbered<Operation['step']>('ready', 'look', 'act', 'old', 'rows', 'page', 'tail', 'codes', 'done');
const OPS = numbered<Op>(
  'reserve',
  'confirm',
  'release',
  'reassign',
  'withdraw',
  'adopt',
  'quarantine',
  'retry',
  'claim',
  'save',
  'deliver',
  'open',
  'activate',
  'load',
  'begin',
  'keep',
  'rows',
  'refill',
  'finish',
);
