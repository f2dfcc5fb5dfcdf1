/**
 * The life of one coupon: each order of calls and of their statements, lost replies, late copies, statements held at their commit, processes that die. The rule
 * is that of the library, `src/redeem/decide.ts`; its defects are planted there. Of the model's own are the loop around the rule and the database.
 */
import { changedRow, firstRedeem, type LifeCall, type LifeRow, type RowChange } from '../../src/model/life.js';
import { decide, FIRST_ATTEMPT } from '../../src/redeem/decide.js';
import { type Explored, exploreBreadth } from './breadth.js';

export const LIFE_RULES = {
  versionIsNamed: 'a change names the version that it was decided on',
  timeIsJudgedByTheStatement: 'the database judges the time, in the statement',
  expiredAfterALook: 'a call says expired only of a row that it had looked at before its change',
  expiredAfterAFence: 'a call in doubt says expired only after a change that counts up',
  noRowInDoubtIsUnknown: 'a call in doubt that finds no row does not know its outcome',
} as const;

export type LifeRule = keyof typeof LIFE_RULES;
export type LifeRules = Readonly<Record<LifeRule, boolean>>;

export interface LifeConfiguration {
  readonly calls: readonly Call[];
  /** Lost replies, late copies, statements held at their commit: how many in all. */
  readonly faults: number;
  /** How many changes a call sends at most. */
  readonly sends: number;
  readonly expires?: true;
  /** The row is saved at any time. */
  readonly unsaved?: true;
}

export type Call = `${'redeem' | 'unredeem' | 'revoke'} ${string}` | 'extend';

/** Instants are 0 (issue), 1 (expiry) and 2 (after an extension). */
const EXPIRY = new Date(1);
const EXTENDED = new Date(2);

interface Statement {
  readonly of: number;
  readonly change: RowChange;
  /** The answer once it is made. */
  readonly answer: string;
  readonly looked: boolean;
  /** It began while the coupon was valid, and commits now. */
  readonly begun?: true;
}

interface Caller {
  readonly step: 'look' | 'change' | 'done';
  readonly next: Statement | null;
  readonly sendsLeft: number;
  readonly inDoubt: boolean;
  readonly refusedVersion: number | null;
  readonly told: string;
}

interface State {
  /** `null`: not saved yet. */
  readonly row: Required<LifeRow> | null;
  readonly now: 0 | 1;
  readonly callers: readonly Caller[];
  readonly late: readonly Statement[];
  readonly faults: number;
  /** Redemptions whose unredeem was answered. */
  readonly undone: readonly string[];
  /** Whether each call changed the coupon. */
  readonly effects: readonly boolean[];
  readonly broken: string | null;
}

type Emit = (next: State, why: string) => void;

function callOf(call: Call): LifeCall {
  const [verb, id] = call.split(' ') as [Exclude<LifeCall['verb'], 'fence'>, string];
  if (verb === 'extend') return { verb, expiresAt: EXTENDED };
  if (verb === 'revoke') return { verb, id, unit: 'kept', again: false };
  return { verb, id };
}

function begin(config: LifeConfiguration): State {
  const row = {
    life: { version: 0, state: 'issued', at: null, by: null, undone: '', unitReturned: false },
    expiresAt: EXPIRY,
  } as const;
  return {
    row: config.unsaved ? null : row,
    now: 0,
    callers: config.calls.map((call, of): Caller => {
      const { verb, id } = callOf(call) as { verb: string; id: string };
      const unseen = { of, change: firstRedeem(id), answer: 'redeemed', looked: false };
      const next = verb === 'redeem' ? unseen : null;
      return {
        step: next ? 'change' : 'look',
        next,
        sendsLeft: config.sends,
        inDoubt: false,
        refusedVersion: null,
        told: '',
      };
    }),
    late: [],
    faults: config.faults,
    undone: [],
    effects: config.calls.map(() => false),
    broken: null,
  };
}

const REFUSED = ['already_redeemed', 'expired', 'revoked', 'not_saved_yet'];

function brokenBy(config: LifeConfiguration, { row, callers, undone, effects }: State): string | null {
  const { state, by } = row?.life ?? { state: 'issued', by: null };
  if (state === 'redeemed' && undone.includes(by!)) return 'L3 a redemption stands whose unredeem was answered';
  for (const [i, { told }] of callers.entries()) {
    if (effects[i] && REFUSED.includes(told))
      return `L4 a ${config.calls[i]!.split(' ')[0]} was refused, and took effect`;
    const stands = state === 'redeemed' && config.calls[i] === `redeem ${by}`;
    if (told === 'redemption_undone' && stands)
      return 'L3 a redemption stands of which its call heard that it was undone';
    if (told === 'taken_back' && state !== 'revoked') return 'L6 a coupon was taken back, and is not revoked';
  }
  return null;
}

/** The row after a statement of the database; the same row: nothing was changed. */
function executed(config: LifeConfiguration, rules: LifeRules, state: State, statement: Statement): State {
  const { row } = state;
  if (!row) return state;
  let { change } = statement;
  if (!rules.versionIsNamed) {
    const decision = decide(callOf(config.calls[statement.of]!), row);
    if (!('change' in decision)) return state;
    change = decision.change;
  }
  const judged = rules.timeIsJudgedByTheStatement && !statement.begun ? change : { ...change, unexpired: false };
  const changed = changedRow(row, judged, new Date(state.now));
  if (!changed) return state;
  const [before, after] = [row.life!, changed.life];
  const moved = before.state !== after.state || before.by !== after.by;
  const call = config.calls[statement.of]!;
  const effects = state.effects.map((effect, i) => effect || (i === statement.of && moved));
  const late = after.state === 'redeemed' && moved && row.expiresAt! <= new Date(state.now) && !statement.begun;
  let broken = late ? 'L5 a coupon was redeemed after its expiry' : null;
  if (before.state === 'redeemed' && moved && call !== `unredeem ${before.by}`)
    broken = 'L2 a redemption was ended by another call';
  if (before.state === 'revoked' && moved) broken = 'L6 a revoked coupon came back';
  return {
    ...state,
    row: { life: { ...after, at: null }, expiresAt: changed.expiresAt! },
    effects,
    broken: state.broken ?? broken,
  };
}

function told(config: LifeConfiguration, state: State, i: number, answer: string): State {
  const caller: Caller = { step: 'done', next: null, sendsLeft: 0, inDoubt: false, refusedVersion: null, told: answer };
  const [verb, id] = config.calls[i]!.split(' ') as [string, string];
  const undone =
    verb === 'unredeem' && answer !== 'unknown' && answer !== 'not_saved_yet'
      ? [...state.undone, id].sort()
      : state.undone;
  const untrue = answer === 'expired' && state.row!.expiresAt! > new Date(state.now);
  return {
    ...withCaller(state, i, caller),
    undone,
    broken: state.broken ?? (untrue ? 'L4 expired was told of a valid coupon' : null),
  };
}

function withCaller(state: State, i: number, caller: Caller): State {
  return { ...state, callers: state.callers.map((one, j) => (j === i ? caller : one)) };
}

/** A look at the row, and the decision. */
function looked(config: LifeConfiguration, rules: LifeRules, state: State, i: number): State {
  const { row } = state;
  const caller = state.callers[i]!;
  const unknown = caller.inDoubt && rules.noRowInDoubtIsUnknown;
  if (!row) return told(config, state, i, unknown ? 'unknown' : 'not_saved_yet');
  const inDoubt = caller.inDoubt && rules.expiredAfterAFence;
  const decision = decide(callOf(config.calls[i]!), row, {
    ...FIRST_ATTEMPT,
    refusedVersion: caller.refusedVersion,
    inDoubt,
  });
  if (!('change' in decision)) return told(config, state, i, decision.answer);
  const next = { of: i, change: decision.change, answer: decision.answer, looked: true };
  return withCaller(state, i, { ...caller, step: 'change', next, refusedVersion: null });
}

/** After a change without the answer that it was made. */
function undecided(config: LifeConfiguration, state: State, i: number, to: Partial<Caller>): State {
  const caller = state.callers[i]!;
  const sendsLeft = caller.sendsLeft - 1;
  if (sendsLeft === 0) return told(config, state, i, 'unknown');
  return withCaller(state, i, { ...caller, step: 'look', next: null, sendsLeft, ...to });
}

/** The reply of a change: made, or not made. */
function answered(config: LifeConfiguration, rules: LifeRules, before: State, after: State, i: number): State {
  const { change, answer, looked: wasLooked } = before.callers[i]!.next!;
  if (after.row !== before.row) return told(config, after, i, answer);
  const counts = change.unexpired && (wasLooked || !rules.expiredAfterALook);
  return undecided(config, after, i, { refusedVersion: counts ? change.version : null });
}

function steps(config: LifeConfiguration, rules: LifeRules, state: State, emit: Emit): void {
  if (!state.row)
    emit(
      { ...begin({ ...config, calls: [] }), ...state, row: begin({ calls: [], faults: 0, sends: 0 }).row },
      'the row is saved',
    );
  const mayExpire = config.expires && state.now === 0 && state.row?.expiresAt !== EXTENDED;
  if (mayExpire) emit({ ...state, now: 1 }, 'the coupon expires');
  for (const [i, caller] of state.callers.entries()) {
    const name = config.calls[i]!;
    if (caller.step === 'done') continue;
    if (caller.step === 'look') {
      emit(looked(config, rules, state, i), `${name} looks`);
      continue;
    }
    const statement = caller.next!;
    const after = executed(config, rules, state, statement);
    emit(answered(config, rules, state, after, i), `${name} changes`);
    emit(told(config, state, i, 'unknown'), `${name} dies`);
    if (state.faults === 0) continue;
    const faults = state.faults - 1;
    const inDoubt = { inDoubt: true };
    const later = { ...state, faults, late: [...state.late, statement] };
    emit(undecided(config, { ...after, faults }, i, inDoubt), `${name} changes, and its reply is lost`);
    emit(undecided(config, later, i, inDoubt), `${name} changes, held back`);
    // The first of two sends was held back, and the second one is answered.
    const doubted = withCaller(state, i, { ...caller, inDoubt: true });
    const twice = { ...withCaller(after, i, doubted.callers[i]!), faults, late: later.late };
    emit(answered(config, rules, doubted, twice, i), `${name} changes at its second send`);
    if (!statement.change.unexpired || !state.row || state.row.expiresAt! <= new Date(state.now)) continue;
    const held: Statement = { ...statement, begun: true };
    emit(
      undecided(config, { ...later, late: [...state.late, held] }, i, inDoubt),
      `${name} changes, held at its commit`,
    );
  }
  for (const [i, statement] of state.late.entries()) {
    const left = { ...state, late: state.late.filter((_, j) => j !== i) };
    emit(executed(config, rules, left, statement), `a late copy of ${config.calls[statement.of]} arrives`);
  }
}

export function exploreLife(config: LifeConfiguration, rules: LifeRules): Explored {
  return exploreBreadth(
    begin(config),
    (state, emit) => steps(config, rules, state, emit),
    (state) => state.broken ?? brokenBy(config, state),
  );
}
