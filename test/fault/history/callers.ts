import fc from 'fast-check';
import type { IssueResult } from '../../../src/index.js';
import { isOver } from './belief.js';
import { command, type HistoryCommand, mustRefuse } from './command.js';
import { SAVE_MOODS, type SaveMood } from './database.js';
import type { Answer, History } from './history.js';
import { DELIVERY_MOODS, type DeliveryMood } from './partner.js';
import { isCounted } from './setting.js';
import { nameOf, sameUnit, type Word } from './told.js';

export const POISONED = 'user-0';

/** What the database and the partner are like for the time of one command. */
export interface Moods {
  readonly saves: readonly SaveMood[];
  readonly deliveries: readonly DeliveryMood[];
}

/** Held calls make the most of a history: everything else happens meanwhile. */
const save = fc.constantFrom<SaveMood>(...SAVE_MOODS, 'refused', 'held', 'held', 'held');
const delivery = fc.constantFrom<DeliveryMood>(...DELIVERY_MOODS, 'held', 'held');

export const moods: fc.Arbitrary<Moods> = fc.record({
  saves: fc.array(save, { maxLength: 4, size: 'max' }),
  deliveries: fc.array(delivery, { maxLength: 2, size: 'max' }),
});

export function inMood(history: History, { saves, deliveries }: Moods): void {
  history.database.moods = [...saves];
  history.partner.moods = [...deliveries];
}

export function moodsInWords({ saves, deliveries }: Moods): string {
  const words = [...saves.map((mood) => `save ${mood}`), ...deliveries.map((mood) => `delivery ${mood}`)];
  return words.length > 0 ? ` [${words.join(', ')}]` : '';
}

export interface Call {
  readonly process: number;
  readonly user: number;
  readonly request: number;
}

export const oneCall: fc.Arbitrary<Call> = fc.record({ process: fc.nat(2), user: fc.nat(9), request: fc.nat(1) });

const calls = fc.array(oneCall, { minLength: 1, maxLength: 5 });

/** Some users ask at the same time, some of them again under a request id of before. */
export function ask(calls: readonly Call[], mood: Moods): HistoryCommand {
  const words = calls.map(({ process, user, request }) => `${process}: user-${user}/${request}`);
  return command(`ask ${words.join(', ')}${moodsInWords(mood)}`, async (history) => {
    inMood(history, mood);
    const before = new Map([...history.told.attempts].map(([id, { words }]) => [id, new Set(words)]));
    const refusing = history.processes.filter((process) => mustRefuse(history, process));
    const answers = calls.map(({ process, user, request }) =>
      history.ask(history.processes[process]!, { userId: `user-${user}`, requestId: String(request) }),
    );
    const alone = history.traffic.held.length === 0;
    await history.traffic.quiet();
    // Whoever saw nothing newer moves the state on, and then the others may serve.
    const allRefuse = answers.every(({ process }) => refusing.includes(process));
    for (const answer of answers) {
      const refuses = refusing.includes(answer.process);
      if (refuses === allRefuse) checkAnswer(history, answer, before.get(answer.attempt.id), refuses);
    }
    if (alone && history.trust === 'whole') await checkRefusals(history, answers);
  });
}

export const asking: fc.Arbitrary<HistoryCommand> = fc.tuple(calls, moods).map(([calls, mood]) => ask(calls, mood));

function checkAnswer(
  history: History,
  { outcome, attempt }: Answer,
  before: ReadonlySet<Word> | undefined,
  refuses: boolean,
): void {
  if (outcome === null || outcome instanceof Error) return;
  const name = nameOf(attempt);
  const unready = outcome.status === 'not_ready';
  if (refuses) {
    // A repeat of a call that took before a rebuild began finds that while it goes on: that it comes true is seen at the end.
    const isKnown = outcome.status === 'accepted' || outcome.status === 'revoked';
    const found = isKnown || (outcome.status === 'issued' && outcome.replayed === true);
    if (!unready && !found) throw new Error(`${name} was told ${outcome.status} by a state that must refuse`);
    return;
  }
  if (history.trust === 'behind') return;
  if (unready) throw new Error(`${name} was told not_ready: ${outcome.reason}, though nothing is missing`);
  // Its user may have another by now, and a repeat of it finds nothing, or the row.
  if (!before || history.deeds.mayBeRevoked(attempt.id)) return;
  // `accepted` after `issued`: the confirm was lost, and what this call knows of its own save is nothing.
  const took = outcome.status === 'issued' || outcome.status === 'accepted';
  const promised = before.has('issued') || (before.has('accepted') && !attempt.exempt);
  if (promised && !took) throw new Error(`${name} was told ${outcome.status} after ${[...before]}`);
  const { issued } = attempt;
  if (outcome.status === 'accepted' && issued && outcome.issuance.serial !== issued.serial) {
    throw new Error(`${name} was told accepted for another unit after issued`);
  }
}

/** A refusal was true at some instant of the call. */
async function checkRefusals(history: History, answers: readonly Answer[]): Promise<void> {
  const { before, setting, belief } = history;
  const told = (status: IssueResult['status']) =>
    answers.filter(({ outcome }) => outcome !== null && !(outcome instanceof Error) && outcome.status === status);
  const takers = answers.filter(
    ({ outcome }) => outcome === null || outcome instanceof Error || TAKEN.includes(outcome.status),
  ).length;
  const limited = isCounted(setting) || setting.stock === 'codes';
  if (told('sold_out').length > 0 && !(limited && before.books.available <= takers)) {
    throw new Error(`somebody was told sold_out while ${before.books.available} units were there`);
  }
  if (told('paused').length > 0 && !belief.paused) throw new Error('somebody was told paused, and it is not');
  if (told('closed').length > 0 && !isOver(belief)) throw new Error('somebody was told closed, and it is not');
  const { grants } = await history.books();
  for (const { outcome, attempt } of told('already_issued')) {
    const { issuances } = outcome as Extract<IssueResult, { status: 'already_issued' }>;
    if (issuances.length !== belief.rules.perUser)
      throw new Error(`${nameOf(attempt)} was told already_issued too early`);
    for (const one of issuances.filter(({ state }) => state === 'issued')) {
      const there = grants.some((grant) => grant.id === one.id && sameUnit(grant, one));
      if (!there) throw new Error(`${nameOf(attempt)} was shown a coupon that nobody has`);
    }
  }
}

const TAKEN: readonly string[] = ['issued', 'accepted'];
