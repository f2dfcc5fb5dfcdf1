import { change, conclude, end, FORGOTTEN, itemOf, leaveToSettle, messageOf, nameOf, tell } from './calls.js';
import { show } from './database.js';
import { certainFailure, type Emit, send } from './send.js';
import type { Call, Op, Reply, Row, State, Told } from './state.js';
import type { World } from './world.js';

type Answer = Reply['items'][number];

function mayGiveBack({ rules }: World, call: Call): boolean {
  return call.mayRelease && (call.told !== 'accepted' || !rules.noReleaseOfPromised);
}

function giveBack(world: World, state: State, i: number): void {
  if (mayGiveBack(world, state.calls[i]!)) change(state, i, { step: 'release' });
  else leaveToSettle(state, i);
}

export function deliver(world: World, state: State, i: number, emit: Emit): void {
  const { rules } = world;
  const who = nameOf(world, i);
  send(world, state, emit, {
    who,
    message: messageOf(world, state, i, 'deliver'),
    answered: (next, reply) => {
      if (reply) change(next, i, { step: 'save', delivered: true });
      else if (rules.noReleaseOfDoubtfulDelivery) leaveToSettle(next, i);
      else giveBack(world, next, i);
    },
  });
  certainFailure(state, emit, `${who} deliver → NotDeliveredError`, (next) => giveBack(world, next, i));
}

/** Alone, or in one batch with another call of the process. */
export function save(world: World, state: State, i: number, emit: Emit): void {
  saveTogether(world, state, [i], emit);
  for (let j = i + 1; world.config.batches && j < state.calls.length; j++) {
    const sameProcess = world.config.calls[j]!.process === world.config.calls[i]!.process;
    if (sameProcess && state.calls[j]!.step === 'save') saveTogether(world, state, [i, j], emit);
  }
  certainFailure(state, emit, `${nameOf(world, i)} save → NotSavedError`, (next) => {
    const call = next.calls[i]!;
    const doubt = call.doubt && world.rules.doubtIsRemembered;
    const delivered = call.delivered && world.rules.noReleaseOfDelivered;
    if (doubt || delivered) leaveToSettle(next, i);
    else giveBack(world, next, i);
  });
  if (!world.config.refuses) return;
  certainFailure(state, emit, `${nameOf(world, i)} save → refused`, (next) => refused(world, next, i));
}

/** The database will never accept this row. What cannot be given back goes into quarantine at once. */
function refused(world: World, state: State, i: number): void {
  const { rules } = world;
  const call = state.calls[i]!;
  if (call.doubt && rules.refusedProvesOneAttempt) {
    leaveToSettle(state, i);
  } else if (!mayGiveBack(world, call) || (call.delivered && rules.refusedAfterDelivery)) {
    tell(state, i, 'accepted', call.unit);
    change(state, i, { step: 'quarantine' });
  } else {
    if (!rules.refusedIsToldLast) tell(state, i, 'not_eligible');
    change(state, i, { step: 'refuse' });
  }
}

function saveTogether(world: World, state: State, batch: number[], emit: Emit): void {
  const first = messageOf(world, state, batch[0]!, 'save');
  const items = batch.map((i) => itemOf(state.calls[i]!, state.calls[i]!.slot));
  send(world, state, emit, {
    who: batch.map((i) => nameOf(world, i)).join(' and '),
    message: { ...first, items },
    answered: (next, reply) => {
      for (const [at, i] of batch.entries()) {
        if (reply) verdict(world, next, i, reply.items[at]!);
        else saveUnknown(world, next, i);
      }
    },
  });
}

/** The same id once more, which an adapter that stored it the first time says; then it is left. */
function saveUnknown({ config, rules }: World, state: State, i: number): void {
  const call = state.calls[i]!;
  if (!rules.noReleaseOnUnknownSave && call.mayRelease) change(state, i, { step: 'release' });
  else if (!call.doubt && config.saveAttempts > 1) change(state, i, { doubt: true });
  else leaveToSettle(state, i);
}

function verdict(world: World, state: State, i: number, { word, grant, slot }: Answer): void {
  const call = state.calls[i]!;
  if (word === 'saved') {
    issued(world, state, i, call.unit);
    change(state, i, { step: 'confirm' });
  } else if (word === 'user_conflict') {
    const row: Row = { id: grant!.id, unit: grant!.unit, slot, epoch: 0 };
    if (row.id === call.id) issued(world, state, i, row.unit);
    change(state, i, { step: 'adopt', row });
  } else {
    change(state, i, { step: call.delivered ? 'withdraw' : 'reassign' });
  }
}

function issued(world: World, state: State, i: number, unit: number): void {
  show(world, state, unit, state.calls[i]!.slot);
  // Whoever was told `accepted` before learns more now.
  if (state.calls[i]!.told === 'accepted') change(state, i, { told: 'issued', toldUnit: unit });
  tell(state, i, 'issued', unit);
}

/** The scripts that act on what the call holds. */
export function finishStep(world: World, state: State, i: number, emit: Emit): void {
  const { step } = state.calls[i]!;
  send(world, state, emit, {
    who: nameOf(world, i),
    message: messageOf(world, state, i, step === 'refuse' ? 'release' : (step as Op)),
    answered: (next, reply) => {
      const item = reply?.items[0];
      const word = item?.word ?? reply?.word;
      const unit = item?.grant?.unit;
      if (step === 'confirm' || step === 'quarantine') end(next, i);
      else if (step === 'adopt') adopted(world, next, i, reply);
      else if (step === 'release') conclude(next, i, afterRelease(world, word), unit);
      else if (step === 'refuse') conclude(next, i, afterRefusal(afterRelease(world, word)), unit);
      else if (step === 'reassign' && word === 'reassigned') goOn(world, next, i, item!);
      else if (step === 'reassign') conclude(next, i, afterReassign(word), unit);
      else if (word === 'taken_over' || word === 'issued') leaveToSettle(next, i);
      else conclude(next, i, word ? 'not_ready' : 'unknown');
    },
    resend: () => {},
  });
}

/** Only the word of Redis makes a NotIssuedError. */
function afterRelease({ rules }: World, word: string | undefined): Told {
  switch (word) {
    case 'released':
    case 'gone':
      return 'not_issued';
    case 'taken_over':
      return rules.releaseTakenOver ? 'accepted' : 'not_issued';
    case 'issued':
      return rules.releaseTakenOver ? 'issued' : 'not_issued';
    case 'retaken':
      return rules.retakenPromisesNothing ? 'unknown' : 'accepted';
    case 'stale':
      return rules.releaseStale ? 'unknown' : 'not_issued';
    default:
      return rules.releaseUnknown ? 'unknown' : 'not_issued';
  }
}

function afterRefusal(told: Told): Told {
  return told === 'not_issued' ? 'not_eligible' : told;
}

function afterReassign(word: string | undefined): Told {
  if (word === 'taken_over') return 'accepted';
  return word === 'sold_out' || word === 'issued' ? word : 'unknown';
}

/** With this very id it was answered before; otherwise the user's next grant, or `already_issued`. */
function adopted({ config }: World, state: State, i: number, reply: Reply | null): void {
  const call = state.calls[i]!;
  if (call.row!.id === call.id) end(state, i);
  else if (!reply || call.round > config.perUser) conclude(state, i, 'unknown');
  else change(state, i, { step: 'reserve', round: call.round + 1, mayRelease: false, ...FORGOTTEN });
}

function goOn({ config }: World, state: State, i: number, { grant }: Answer): void {
  const { unit, stamp } = grant!;
  change(state, i, { step: config.deliver ? 'deliver' : 'save', unit, stamp, mayRelease: false, doubt: false });
}
