import { answerUnderEpoch } from './epoch.js';
import { splitField } from './record.js';
import { oneOf } from './reply-words.js';
import { type Reservation, reservationsOf } from './reservation.js';
import { scripts } from './scripts.js';
import type { Shard } from './shard.js';

const PAGE = 500;

/**
 * Reservations in quarantine, each with the stamp that withdrawing it names, and the field behind which the next page
 * begins; `null`: it was the last page.
 */
export interface QuarantinePage {
  readonly reservations: readonly Reservation[];
  readonly next: string | null;
}

/**
 * The reservations in quarantine behind a field; the first ones if it is empty. A reservation that leaves the
 * quarantine meanwhile moves no other one. One round trip.
 */
export async function readQuarantine(shard: Shard, after: string): Promise<QuarantinePage> {
  const { reply, epoch } = await answerUnderEpoch(shard, ({ epoch, fence }) =>
    shard.run(scripts.listQuarantined, { epoch, fence, after, limit: String(PAGE) }),
  );
  oneOf('list-quarantined', ['ok'], reply[0]);
  // No lease of theirs runs.
  const toReservation = reservationsOf(shard, { epoch, sentAt: 0 });
  const reservations: Reservation[] = [];
  for (let i = 2; i < reply.length; i += 3) {
    const [record, data] = [String(reply[i + 1]), String(reply[i + 2])];
    const reservation = toReservation({ ...splitField(String(reply[i])), record, data, mayRelease: false });
    shard.sawStamp(epoch, Number(reservation.stamp));
    reservations.push(reservation);
  }
  return { reservations, next: reply[1] === '' ? null : String(reply[1]) };
}

/** The quarantine page by page. One round trip per 500. */
export async function* quarantinePages(shard: Shard): AsyncGenerator<readonly Reservation[]> {
  for (let after: string | null = ''; after !== null; ) {
    const page: QuarantinePage = await readQuarantine(shard, after);
    yield page.reservations;
    after = page.next;
  }
}

/** Lets settle try them again; answers how many were still in quarantine. One round trip per 500. */
export async function retryQuarantined(
  shard: Shard,
  reservations: readonly Pick<Reservation, 'field' | 'id'>[],
): Promise<number> {
  let retried = 0;
  for (let first = 0; first < reservations.length; first += PAGE) {
    const items = reservations.slice(first, first + PAGE).map(({ field, id }) => ({ field, id }));
    const { reply, epoch } = await answerUnderEpoch(shard, ({ epoch }) =>
      shard.run(scripts.retryQuarantined, { epoch }, items),
    );
    oneOf('retry-quarantined', ['ok'], reply[0]);
    shard.sawStamp(epoch, Number(reply[1]));
    retried += reply.filter((word) => word === 'retried').length;
  }
  return retried;
}
