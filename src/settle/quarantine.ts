import { type Steps, takeOut } from '../issue/carry.js';
import { assertName, assertText, ownCopy } from '../model/check.js';
import { InvalidArgumentError } from '../model/errors.js';
import { type Issuance, withoutCode } from '../model/issuance.js';
import { listQuarantined, retryQuarantined } from '../redis/quarantine.js';
import type { Reservation } from '../redis/reservation.js';
import type { Serving } from '../redis/serving.js';
import { type Finding, findSaved } from './settle.js';

const PAGE = 500;

/** A reservation that settle failed on for the last time. It keeps its unit until an operator decides. */
export interface QuarantinedIssuance {
  /** Without its code. */
  readonly issuance: Issuance;
  /** How often the reservation itself was the reason of a failure. */
  readonly tries: number;
}

/** Which reservations of the quarantine an operator means. */
export interface QuarantineChoice {
  readonly campaignId: string;
  /** Ids of issuances; default: all that are in quarantine. */
  readonly ids?: readonly string[] | undefined;
}

export function checkedChoice(given: QuarantineChoice): QuarantineChoice {
  const choice = ownCopy('the choice', given, ['campaignId', 'ids']);
  assertName('campaignId', choice.campaignId);
  if (choice.ids === undefined) return choice;
  if (!Array.isArray(choice.ids)) throw new InvalidArgumentError('ids must be an array of issuance ids');
  const ids = [...choice.ids];
  ids.forEach((id, i) => {
    assertText(`ids[${i}]`, id);
  });
  return { ...choice, ids };
}

export async function quarantined({ state }: Serving): Promise<QuarantinedIssuance[]> {
  return (await listQuarantined(state)).map(({ issuance, tries }) => ({
    issuance: withoutCode(issuance),
    tries: tries.counted,
  }));
}

export async function retry({ state }: Serving, choice: QuarantineChoice): Promise<number> {
  return retryQuarantined(state, chosen(await listQuarantined(state), choice));
}

/**
 * Each names the stamp under which it was found, so that what settle has taken up again meanwhile stays. What the database is found to have was saved after
 * all, and goes back to settle instead.
 */
export async function withdrawChosen(
  serving: Serving,
  choice: QuarantineChoice,
  steps: Steps,
  finding: Finding,
): Promise<number> {
  const found = chosen(await listQuarantined(serving.state), choice);
  const delivered = serving.state.rules.needs.includes('deliver');
  let withdrawn = 0;
  for (let first = 0; first < found.length; first += PAGE) {
    const page = found.slice(first, first + PAGE);
    const saved = await findSaved(page, steps, finding);
    const absent = page.filter((_, i) => !saved[i]);
    await retryQuarantined(
      serving.state,
      page.filter((_, i) => saved[i]),
    );
    const words = await Promise.all(absent.map((reservation) => takeOut(serving, reservation, delivered, steps)));
    withdrawn += words.filter((word) => word === 'withdrawn').length;
  }
  return withdrawn;
}

function chosen(found: readonly Reservation[], { ids }: QuarantineChoice): Reservation[] {
  return found.filter(({ id }) => ids === undefined || ids.includes(id));
}
