import { takeOut } from '../issue/carry.js';
import type { Steps } from '../issue/steps.js';
import { assertText, ownCopy } from '../model/check.js';
import { InvalidArgumentError, invalid } from '../model/errors.js';
import { type Issuance, withoutCode } from '../model/issuance.js';
import { METHODS, type Operation } from '../model/methods.js';
import { quarantinePages, readQuarantine, retryQuarantined } from '../redis/quarantine.js';
import { notReady } from '../redis/reply-words.js';
import type { Reservation } from '../redis/reservation.js';
import type { Serving } from '../redis/serving.js';
import { certainlySaved, type FindOptions } from './find-saved.js';

/** A reservation that settle gave up on. It keeps its unit until an operator decides. */
export interface QuarantinedIssuance {
  /** Without its code. */
  readonly issuance: Issuance;
  /** How many failures count against the reservation itself. */
  readonly tries: number;
}

/** Which reservations of the quarantine an operator means. */
export type QuarantineChoice =
  /** Ids of issuances. */
  | { readonly ids: readonly string[]; readonly all?: undefined }
  /** All that are in quarantine. */
  | { readonly all: true; readonly ids?: undefined };

/** The ids that were chosen; `null` for all. Nothing is taken for "all" by omission. */
export function checkedChoice(call: Operation, given: QuarantineChoice): readonly string[] | null {
  const argument = `the argument of ${METHODS[call]}()`;
  const { ids, all } = ownCopy(argument, given, ['ids', 'all']);
  if (ids === undefined) {
    if (all !== true) throw new InvalidArgumentError(`${argument} must be { ids } or { all: true }`);
    return null;
  }
  if (all !== undefined) throw new InvalidArgumentError(`${argument} must be { ids } or { all: true }, not both`);
  if (!Array.isArray(ids)) throw invalid('ids', 'must be an array of issuance ids');
  const own = [...ids];
  own.forEach((id, i) => {
    assertText(`ids[${i}]`, id);
  });
  return own;
}

/** A page of the quarantine, and the start of the next one; `null`: it was the last page. */
export async function quarantined(
  { shard }: Serving,
  after: string,
): Promise<{ found: QuarantinedIssuance[]; next: string | null }> {
  const { reservations, next } = await readQuarantine(shard, after);
  const found = reservations.map(({ issuance, tries }) => ({ issuance: withoutCode(issuance), tries: tries.counted }));
  return { found, next };
}

/** Where a key is lost, a list has ended too early, or without some. Throws `NotReadyError`. */
export async function assertListed({ shard, campaign }: Serving): Promise<void> {
  const { ready } = await campaign.inspect();
  if (!ready) throw notReady(campaign.id, shard.building ? 'rebuilding' : 'missing');
}

export async function retry({ shard }: Serving, ids: readonly string[] | null): Promise<number> {
  let retried = 0;
  for await (const page of quarantinePages(shard)) retried += await retryQuarantined(shard, chosen(page, ids));
  return retried;
}

/**
 * Each names the stamp under which it was found, so that reservations that settle took up again stay. A reservation
 * with a row was saved after all, and goes back to settle.
 */
export async function withdrawChosen(
  serving: Serving,
  ids: readonly string[] | null,
  steps: Steps,
  findOptions: FindOptions,
): Promise<number> {
  const delivered = serving.campaign.rules.needs.includes('deliver');
  let [withdrawn, isFirst] = [0, true];
  for await (const all of quarantinePages(serving.shard)) {
    const page = chosen(all, ids);
    const saved = await certainlySaved(page, findOptions, { withdrawn, isFirst });
    isFirst = false;
    const absent = page.filter((_, i) => !saved[i]);
    await retryQuarantined(
      serving.shard,
      page.filter((_, i) => saved[i]),
    );
    const words = await Promise.all(absent.map((reservation) => takeOut(reservation, delivered, steps)));
    withdrawn += words.filter((word) => word === 'withdrawn').length;
  }
  return withdrawn;
}

function chosen(found: readonly Reservation[], ids: readonly string[] | null): Reservation[] {
  return found.filter(({ id }) => ids === null || ids.includes(id));
}
