import type { LifeCall } from '../../../src/model/life.js';
import { decide } from '../../../src/redeem/decide.js';
import { type Emit, send } from './issuing.js';
import { change, TARGET } from './rows.js';
import { execute, takeBack } from './scripts.js';
import {
  copyState,
  hasLost,
  IDLE_WORKER,
  isRevoked,
  type Message,
  type Reply,
  type Revoker,
  type Row,
  rowOf,
  type State,
  type Unit,
  unitOf,
  type World,
} from './state.js';

function update(state: State, k: number, by: Partial<Revoker>): void {
  state.revokers[k] = { ...state.revokers[k]!, ...by };
}

/** `done`: the unit was taken back. After every other answer that is left to the worker, or there is nothing to do. */
function tell(state: State, k: number, answer: string): void {
  state.revokers[k] = { step: 'done', change: null, unit: null, version: 0, looksLeft: 0, isDone: answer === 'done' };
}

/** The row is revoked: its unit is next. */
function takes({ config, rules }: World, state: State, k: number, row: Row): void {
  const called = config.revokes[k]!;
  const options = { frees: called.again, returns: called.unit === 'returned' };
  const unit: Unit = { ...unitOf(row), ...(rules.takesBackByRow ? {} : options) };
  update(state, k, { step: 'takeBack', change: null, unit, version: row.life.version });
}

/** A look, or the row that a refused change brought: the decision of the library. */
function looks(world: World, state: State, k: number, row: Row | null): void {
  const { by, unit, again } = world.config.revokes[k]!;
  if (!row) {
    tell(state, k, 'not_found');
    return;
  }
  const call: LifeCall = { verb: 'revoke', id: by, unit, again };
  const decision = decide(call, row);
  const looksLeft = state.revokers[k]!.looksLeft - 1;
  if (decision.answer === 'already_redeemed') tell(state, k, decision.answer);
  else if (!('change' in decision)) takes(world, state, k, row);
  else if (looksLeft < 0) tell(state, k, 'unknown');
  else {
    const { announces, looksFirst } = world.rules;
    const isAnnounced = !announces || (!looksFirst && state.revokers[k]!.change !== null);
    const step = isAnnounced ? 'change' : 'announce';
    update(state, k, { step, change: decision.change, version: row.life.version, looksLeft });
  }
}

export function revoking(world: World, state: State, emit: Emit): void {
  state.revokers.forEach((revoker, k) => {
    if (revoker.step === 'done') return;
    const who = `revoke ${world.config.revokes[k]!.by}#${k}`;
    if (revoker.step === 'look') {
      const next = copyState(state);
      if (world.rules.rowFirst) looks(world, next, k, rowOf(next, TARGET));
      else takesBackFirst(world, next, k);
      emit(next, `${who} looks`);
      return;
    }
    send(world, state, emit, messageOf(world, revoker), {
      why: `${who} sends ${revoker.step}`,
      heard: (next, reply) => hears(world, next, k, reply),
      unheard: (next) => doesNotHear(world, next, k),
    });
    if (state.crashes === 0) return;
    const died = copyState(state);
    died.crashes--;
    tell(died, k, 'crashed');
    // It cannot announce again what Redis lost.
    died.unannounced ||= hasLost(world, state);
    emit(died, `${who} dies`);
  });
}

/** Without the rule that the row changes first. */
function takesBackFirst(world: World, state: State, k: number): void {
  const { unit, again } = world.config.revokes[k]!;
  const user = world.config.calls.find(({ id }) => id === TARGET)!.user;
  const serial = state.redis.grants[user]?.serial ?? 0;
  takeBack(world, state, { id: TARGET, user, serial, frees: again, returns: unit === 'returned' });
  looks(world, state, k, rowOf(state, TARGET));
}

function messageOf({ rules }: World, { step, change: decided, unit, version }: Revoker): Message {
  if (step === 'change') return { op: 'change', change: decided! };
  if (step === 'takeBack') return { op: 'takeBack', unit: unit! };
  const isNamed = step === 'announce' ? rules.looksFirst : rules.againNamesRow;
  return { op: 'announce', version: isNamed ? version : 0 };
}

function hears(world: World, state: State, k: number, { word, row }: Reply): void {
  const { step } = state.revokers[k]!;
  const isOk = word === 'ok';
  if (step === 'announce') {
    if (isOk) update(state, k, { step: 'change' });
    else goesOnAlone(world, state, k);
  } else if (step === 'change') {
    if (word === 'changed') takes(world, state, k, row!);
    else looks(world, state, k, row ?? null);
  } else if (step === 'takeBack' && !isOk && world.rules.announcesAgain) update(state, k, { step: 'announceAgain' });
  else {
    if (step === 'announceAgain' && !isOk) state.unannounced = true;
    tell(state, k, step === 'takeBack' && isOk ? 'done' : 'pending');
  }
}

function doesNotHear(world: World, state: State, k: number): void {
  const { step } = state.revokers[k]!;
  if (step === 'announce') goesOnAlone(world, state, k);
  else if (step === 'change') update(state, k, { step: 'look', change: null });
  else {
    state.unannounced ||= hasLost(world, state);
    tell(state, k, 'pending');
  }
}

/** Redis is away: a revoke that keeps the unit and the grant needs no Redis. */
function goesOnAlone(world: World, state: State, k: number): void {
  const { unit, again } = world.config.revokes[k]!;
  if (unit === 'returned' || again) tell(state, k, 'redis');
  else {
    state.unannounced = true;
    update(state, k, { step: 'change' });
  }
}

/** A shop redeems the coupon, in one step: who is first is the matter of `life.ts`. */
export function redeeming(state: State, emit: Emit): void {
  const row = rowOf(state, TARGET);
  if (state.redeems === 0 || !row) return;
  const decision = decide({ verb: 'redeem', id: 'A' }, row);
  if (!('change' in decision)) return;
  const next = copyState(state);
  next.redeems--;
  change(next, decision.change);
  emit(next, 'a shop redeems it');
}

/** Takes back what was announced, or drops the announcement. Several workers at once: one that stops is another that has not begun. */
export function working(world: World, state: State, emit: Emit): void {
  const { step, version, next: message } = state.worker;
  if (step === 'idle') {
    if (state.redis.state !== 'up' || state.redis.announced < 0) return;
    const next = copyState(state);
    next.worker = { step: 'look', version: state.redis.announced, next: null };
    emit(next, 'the worker finds the announcement');
    return;
  }
  if (step === 'look') {
    const next = copyState(state);
    next.worker = { step: 'send', version, next: afterLook(world, rowOf(next, TARGET), version) };
    emit(next, 'the worker looks');
  } else {
    const rests = (next: State) => {
      next.worker = IDLE_WORKER;
    };
    const heard = (next: State, { word }: Reply) => {
      const drops = message!.op === 'change' && word === 'changed';
      next.worker = drops ? { step: 'send', version, next: { op: 'drop', version } } : IDLE_WORKER;
    };
    send(world, state, emit, message!, { why: `the worker sends ${message!.op}`, heard, unheard: rests });
  }
  if (state.crashes === 0) return;
  const died = copyState(state);
  died.crashes--;
  died.worker = IDLE_WORKER;
  emit(died, 'the worker dies');
}

/** A change that only counts up ends those that name its version. Of an older version there is nothing to end. */
function afterLook({ rules }: World, row: Row | null, version: number): Message {
  if (row && isRevoked(row)) return { op: 'takeBack', unit: unitOf(row) };
  if (!row || row.life.version > version || !rules.fences) return { op: 'drop', version };
  return { op: 'change', change: { version: row.life.version, unexpired: false } };
}

/** One round of the worker, without faults. */
export function workOnce(world: World, state: State): void {
  const version = state.redis.announced;
  if (state.redis.state !== 'up' || version < 0) return;
  const message = afterLook(world, rowOf(state, TARGET), version);
  execute(world, state, message);
  if (message.op === 'change') execute(world, state, { op: 'drop', version });
}
