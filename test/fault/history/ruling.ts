import fc from 'fast-check';
import { type CampaignUpdate, CouponIssuerError, type PaceChange } from '../../../src/index.js';
import { OVER, type Rules } from './belief.js';
import type { HistoryCommand } from './command.js';
import { administer, insist, opened } from './operators.js';

/** Ends of the window, ms: none, some that no history reaches, one that is over. */
const ENDS = [null, null, 4_000_000_000_000, 5_000_000_000_000, OVER];
const MOST_PER_USER = 3;

/** How fast workers may go: hardly at all, or as fast as they like. */
export const pacing: fc.Arbitrary<HistoryCommand> = fc
  .record({ process: fc.nat(2), savesPerSecond: fc.constantFrom(null, null, 1_000_000, 0.001) })
  .map(({ process, savesPerSecond }) => setPace(process, { savesPerSecond }));

function setPace(index: number, change: PaceChange): HistoryCommand {
  return administer(`pace ${change.savesPerSecond}`, index, async ({ id, traffic, belief }, { issuer }) => ({
    outcome: await insist(() => issuer.campaign(id).setPace(change)),
    done: () => {
      traffic.injected('changes of the pace');
      belief.rules = { ...belief.rules, savesPerSecond: change.savesPerSecond ?? null };
    },
  }));
}

type RuleChange = Partial<Pick<Rules, 'closesAt' | 'perUser'>>;

/** Another end of the window, or more coupons for each user; sometimes a change of before under its request id. */
export const updating: fc.Arbitrary<HistoryCommand> = fc
  .record({
    process: fc.nat(2),
    change: fc.oneof(
      fc.constantFrom(...ENDS).map((closesAt): RuleChange => ({ closesAt })),
      fc.integer({ min: 1, max: MOST_PER_USER }).map((perUser): RuleChange => ({ perUser })),
    ),
    request: fc.nat(5),
  })
  .map(({ process, change, request }) => update(process, change, String(request)));

function update(index: number, change: RuleChange, requestId: string): HistoryCommand {
  // As Redis keeps it.
  const words = Object.entries(change)
    .map(([name, value]) => `${name}=${value ?? ''}`)
    .join(' ');
  return administer(`update ${words} under ${requestId}`, index, async (history, { issuer }) => {
    const { belief, id, traffic } = history;
    const made = belief.updates.get(requestId);
    const { perUser = belief.rules.perUser } = change;
    const possible = made === undefined ? !belief.closed && perUser >= belief.rules.perUser : made === words;
    history.mostPerUser = Math.max(history.mostPerUser, perUser);
    return {
      outcome: await insist(() => issuer.campaign(id).update({ ...asked(change), requestId })),
      done: () => {
        traffic.injected('changes of the rules');
        if (made !== undefined) return;
        if (change.closesAt === OVER) traffic.injected('ends of the window');
        belief.updates = new Map(belief.updates).set(requestId, words);
        belief.rules = { ...belief.rules, ...change };
      },
      ...(!possible && { refused: 'CAMPAIGN_CONFLICT' }),
    };
  });
}

function asked({ closesAt, perUser }: RuleChange): Omit<CampaignUpdate, 'requestId'> {
  return perUser === undefined ? { closesAt: closesAt ? new Date(closesAt) : null } : { perUser };
}

/** A code that nobody has becomes another one. */
export const replacing: fc.Arbitrary<HistoryCommand> = fc
  .record({ process: fc.nat(2), at: fc.nat(19), number: fc.nat(4) })
  .map(({ process, at, number }) => replace(process, at, `NEW-${number}`));

function replace(index: number, at: number, replacement: string): HistoryCommand {
  return administer(
    `replace code ${at} of the pool by ${replacement}`,
    index,
    async (history, { issuer }) => {
      const { pool } = history.before.books;
      const unit = pool[at % pool.length]!;
      const code = unit.slice(unit.indexOf(':') + 1);
      history.loaded.add(replacement);
      const outcome = await insist(() => issuer.campaign(history.id).replaceCode({ code, replacement }));
      const isReplaced = !(outcome instanceof CouponIssuerError) && outcome.status === 'replaced';
      return {
        outcome,
        done: () => {
          if (!isReplaced) return;
          history.traffic.injected('replaced codes');
          history.recalled.add(code);
          history.forRebuild.add(replacement);
        },
      };
    },
    (history) => opened(history) && history.setting.stock === 'codes' && history.before.books.pool.length > 0,
  );
}
