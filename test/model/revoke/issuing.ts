import { TARGET } from './rows.js';
import { execute, heldOf, nextStamp, reserve } from './scripts.js';
import {
  type Call,
  copyState,
  type Held,
  hasLost,
  IDLE_CARRIER,
  isRevoked,
  type Message,
  type Reply,
  type Row,
  rowOf,
  type State,
  unitOf,
  type World,
} from './state.js';

export type Emit = (next: State, why: string) => void;

/** One remote call: answered; answered while a copy stays under way; or given up, and it arrives later or never. */
export function send(
  world: World,
  state: State,
  emit: Emit,
  message: Message,
  { why, heard, unheard }: { why: string; heard: (next: State, reply: Reply) => void; unheard: (next: State) => void },
): void {
  const now = copyState(state);
  heard(now, execute(world, now, message));
  emit(now, why);
  if (state.faults === 0) return;
  const copied = copyState(state);
  copied.faults--;
  const reply = execute(world, copied, message);
  copied.late.push(message);
  heard(copied, reply);
  emit(copied, `${why}, and a copy is under way`);
  const lost = copyState(state);
  lost.faults--;
  lost.late.push(message);
  unheard(lost);
  emit(lost, `${why}, and hears nothing`);
}

export function arrivals(world: World, state: State, emit: Emit): void {
  state.late.forEach((message, i) => {
    const next = copyState(state);
    next.late.splice(i, 1);
    const { word } = execute(world, next, message);
    if (message.op === 'change' && word === 'changed') next.unannounced ||= hasLost(world, next);
    emit(next, `a late ${message.op} arrives`);
  });
}

function update(state: State, i: number, by: Partial<Call>): void {
  state.calls[i] = { ...state.calls[i]!, ...by };
}

/** The end of a call. What it sends after its answer, such as a confirm, is `next`. */
function tell(world: World, state: State, i: number, told: string, serial = 0, next: Message | null = null): void {
  const { id } = world.config.calls[i]!;
  const { after } = state.calls[i]!;
  const row = rowOf(state, id);
  const of = next ? state.calls[i]!.held : null;
  update(state, i, {
    step: next ? 'send' : 'done',
    held: of,
    next,
    mayRelease: false,
    inDoubt: false,
    isTold: true,
    after: 'no',
  });
  if (told !== 'issued') return;
  if (row?.serial !== serial)
    state.broken ??= `I5: ${id} was told issued, and its row is ${row ? 'of another unit' : 'absent'}`;
  // A Redis that went back may say issued of its own accord. A save never does.
  const isJudged = after === 'yes' || (after === 'lax' && next?.op === 'confirm');
  if (isJudged && row && isRevoked(row)) state.broken ??= `L6: ${id} was told issued after its revoke was answered`;
}

/** What follows once a save met the row of its own id. */
function metOwn({ rules }: World, held: Held, row: Row): { told: 'issued' | 'revoked'; next: Message } {
  const revoked = isRevoked(row) && rules.adoptSeesRevoked;
  const takesBack = revoked && row.serial === held.serial && rules.conflictTakesBack;
  const next: Message = takesBack ? { op: 'takeBack', unit: unitOf(row) } : { op: 'adopt', held, row };
  return { told: revoked ? 'revoked' : 'issued', next };
}

export function issuing(world: World, state: State, emit: Emit): void {
  state.calls.forEach((call, i) => {
    const { afterCall } = world.config.calls[i]!;
    const waits = afterCall !== undefined && !['done', 'send'].includes(state.calls[afterCall]!.step);
    if (call.step === 'reserve' && !waits) begins(world, state, i, emit);
    if (call.step === 'watch') watches(world, state, i, emit);
    if (call.step === 'send') goesOn(world, state, i, emit);
  });
  if (state.redis.line.length > 0 && !state.carrier.held) admits(world, state, emit);
}

function begins(world: World, state: State, i: number, emit: Emit): void {
  const { id, way } = world.config.calls[i]!;
  const next = copyState(state);
  const revoked = id === TARGET && next.revokers.some(({ isDone }) => isDone);
  update(next, i, { after: revoked ? (next.sound ? 'yes' : 'lax') : 'no' });
  if (way === 'queued') {
    if (next.redis.state !== 'up') tell(world, next, i, 'not_ready');
    else {
      const { user } = world.config.calls[i]!;
      if (!next.redis.grants[user] && !isInLine(world, next, user)) next.redis.line.push(i);
      update(next, i, { step: 'watch' });
    }
    emit(next, `${id}#${i} joins`);
    return;
  }
  const { word, held } = reserve(world, next, i);
  if (word === 'new' || word === 'existing') {
    if (way) tell(world, next, i, 'accepted');
    else {
      deliver(world, next, held!);
      update(next, i, { step: 'send', held: held!, next: { op: 'save', held: held! }, mayRelease: word === 'new' });
    }
  } else tell(world, next, i, word, held?.serial);
  emit(next, `${id}#${i} reserves: ${word}`);
}

function isInLine({ config }: World, { redis }: State, user: number): boolean {
  return redis.line.some((call) => config.calls[call]!.user === user);
}

function deliver({ config }: World, state: State, { serial }: Held): void {
  if (config.delivers && !state.delivered.includes(serial)) state.delivered.push(serial);
}

/** The user in line looks. */
function watches(world: World, state: State, i: number, emit: Emit): void {
  const { user, id } = world.config.calls[i]!;
  const grant = state.redis.grants[user];
  const next = copyState(state);
  if (state.redis.state !== 'up') tell(world, next, i, 'not_ready');
  else if (grant?.state === 'i' && grant.id === id) tell(world, next, i, 'issued', grant.serial);
  else if (grant?.state === 'x') tell(world, next, i, 'revoked');
  else if (!grant && !isInLine(world, state, user)) tell(world, next, i, 'none');
  else return;
  emit(next, `${id}#${i} looks`);
}

function goesOn(world: World, state: State, i: number, emit: Emit): void {
  const { id } = world.config.calls[i]!;
  const { next: message, held, isTold, inDoubt, mayRelease } = state.calls[i]!;
  const why = `${id}#${i} sends ${message!.op}`;
  if (isTold) {
    const end = (next: State) => update(next, i, { step: 'done', held: null, next: null });
    send(world, state, emit, message!, { why, heard: end, unheard: end });
    return;
  }
  send(world, state, emit, message!, {
    why,
    heard: (next, reply) => hears(world, next, i, message!, reply),
    unheard: (next) => {
      if (inDoubt || message!.op !== 'save') tell(world, next, i, 'accepted');
      else update(next, i, { inDoubt: true, mayRelease: false });
    },
  });
  if (message!.op === 'save' && mayRelease && !world.config.delivers && state.faults > 0) {
    const refused = copyState(state);
    refused.faults--;
    update(refused, i, { next: { op: 'release', held: held! } });
    emit(refused, `${id}#${i} is refused for certain`);
  }
  if (state.crashes === 0) return;
  const died = copyState(state);
  died.crashes--;
  tell(world, died, i, 'crashed');
  emit(died, `${id}#${i} dies`);
}

function hears(world: World, state: State, i: number, message: Message, { word, row, held: other }: Reply): void {
  const held = state.calls[i]!.held!;
  if (message.op === 'release') tell(world, state, i, word === 'released' ? 'not_issued' : 'accepted');
  else if (message.op === 'adopt') tell(world, state, i, 'already_issued');
  else if (message.op === 'reassign') {
    if (!other) tell(world, state, i, 'sold_out');
    else update(state, i, { held: other, next: { op: 'save', held: other }, mayRelease: false });
  } else if (word === 'saved') tell(world, state, i, 'issued', held.serial, { op: 'confirm', held });
  else if (word === 'serial_conflict') update(state, i, { next: { op: 'reassign', held } });
  else if (row!.id !== held.id) update(state, i, { next: { op: 'adopt', held, row: row! } });
  else {
    const { told, next } = metOwn(world, held, row!);
    tell(world, state, i, told, row!.serial, next);
  }
}

/** The first in line gets a reservation, which its process carries like settle. */
function admits(world: World, state: State, emit: Emit): void {
  if (state.redis.state !== 'up') return;
  const next = copyState(state);
  const i = next.redis.line.shift()!;
  const { word, held } = reserve(world, next, i);
  if (word === 'new') {
    deliver(world, next, held!);
    next.carrier = { held: held!, next: { op: 'save', held: held! } };
  }
  emit(next, `${world.config.calls[i]!.id}#${i} is admitted: ${word}`);
}

/** Settle, and whoever admitted. */
export function settling(world: World, state: State, emit: Emit): void {
  const { held, next: message } = state.carrier;
  if (held && message) {
    const stops = (next: State) => {
      next.carrier = IDLE_CARRIER;
    };
    const heard = (next: State, reply: Reply) => {
      next.carrier = carried(world, next, held, message, reply);
    };
    send(world, state, emit, message, { why: `settle sends ${message.op} of ${held.id}`, heard, unheard: stops });
    return;
  }
  if (state.settles === 0 || state.redis.state !== 'up') return;
  state.redis.grants.forEach((grant, user) => {
    if (grant?.state !== 'r' && grant?.state !== 't') return;
    const next = copyState(state);
    next.settles--;
    next.carrier = claim(world, next, user);
    emit(next, `settle claims ${grant.id}`);
  });
}

/** Of a delivered unit the row is looked for first, so that nothing is delivered for a revoked one. */
function claim(world: World, state: State, user: number): State['carrier'] {
  const { redis } = state;
  redis.grants[user] = { ...redis.grants[user]!, state: 't', stamp: nextStamp(state) };
  const held = heldOf(redis, user, redis.grants[user]);
  const row = world.config.delivers ? rowOf(state, held.id) : null;
  if (row && isRevoked(row)) return { held, next: metOwn(world, held, row).next };
  deliver(world, state, held);
  return { held, next: { op: 'save', held } };
}

function carried(world: World, state: State, held: Held, message: Message, reply: Reply): State['carrier'] {
  const { word, row, held: other } = reply;
  if (message.op === 'reassign' && other) {
    deliver(world, state, other);
    return { held: other, next: { op: 'save', held: other } };
  }
  if (message.op !== 'save') return IDLE_CARRIER;
  if (word === 'saved') return { held, next: { op: 'confirm', held } };
  if (word === 'serial_conflict') return { held, next: { op: 'reassign', held } };
  return { held, next: row!.id === held.id ? metOwn(world, held, row!).next : { op: 'adopt', held, row: row! } };
}

/** One pass over all that is reserved, without faults. */
export function settleAll(world: World, state: State): void {
  state.redis.line.splice(0).forEach((i) => {
    reserve(world, state, i);
  });
  state.redis.grants.forEach((grant, user) => {
    if (grant?.state !== 'r' && grant?.state !== 't') return;
    let at = claim(world, state, user);
    while (at.held && at.next) at = carried(world, state, at.held, at.next, execute(world, state, at.next));
  });
}
