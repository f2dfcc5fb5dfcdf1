import type { CampaignState } from './campaign-state.js';
import { answerUnderEpoch, underEpoch } from './epoch.js';
import { splitField } from './record.js';
import { type Reservation, toReservation } from './reservation.js';
import { scripts } from './scripts.js';

const PAGE = 500;

export interface Backlog {
  readonly due: number;
  readonly quarantined: number;
  readonly oldestMs: number | null;
  readonly closed: boolean;
  readonly reserved: number;
}

/** How much waits to be settled, and since when; `null` where nobody may act on the state. One round trip. */
export async function readBacklog(state: CampaignState): Promise<Backlog | null> {
  const { reply, refused } = await underEpoch(state, ({ epoch, fence }) =>
    state.run(scripts.backlog, { epoch, fence }),
  );
  if (refused) return null;
  const [, due, quarantined, nowMs, issuedAt, closed, reserved] = reply;
  return {
    due: Number(due),
    quarantined: Number(quarantined),
    oldestMs: issuedAt === '' ? null : Math.max(0, Number(nowMs) - Number(issuedAt)),
    closed: closed === '1',
    reserved: Number(reserved),
  };
}

/** Every reservation in quarantine, with the stamp that withdrawing it names. One round trip per 500. */
export async function listQuarantined(state: CampaignState): Promise<Reservation[]> {
  const found: Reservation[] = [];
  for (let offset = 0; ; offset += PAGE) {
    const page = { offset: String(offset), limit: String(PAGE) };
    const { reply, epoch } = await answerUnderEpoch(state, ({ epoch, fence }) =>
      state.run(scripts.listQuarantined, { epoch, fence, ...page }),
    );
    for (let i = 1; i < reply.length; i += 2) {
      const { grant, userId } = splitField(String(reply[i]));
      const record = String(reply[i + 1]);
      found.push(toReservation(state, { grant, userId, record, epoch, sentAt: 0, mayRelease: false }));
    }
    if (reply.length < 2 * PAGE) return found;
  }
}

/** Lets settle try them again; answers how many were still in quarantine. One round trip per 500. */
export async function retryQuarantined(
  state: CampaignState,
  reservations: readonly Pick<Reservation, 'field' | 'id'>[],
): Promise<number> {
  let retried = 0;
  for (let first = 0; first < reservations.length; first += PAGE) {
    const items = reservations.slice(first, first + PAGE).map(({ field, id }) => ({ field, id }));
    const { reply } = await answerUnderEpoch(state, ({ epoch }) =>
      state.run(scripts.retryQuarantined, { epoch }, items),
    );
    state.sawStamp(Number(reply[1]));
    retried += reply.filter((word) => word === 'retried').length;
  }
  return retried;
}
