import type { Issuance } from '../model/issuance.js';
import { fieldsOf } from './campaign-fields.js';
import { decodeIssuance, fateOf, fieldOf, splitField } from './record.js';
import { isNotReady, notReady, oneOf } from './reply-words.js';
import { inOnePiece, type Reply } from './runner.js';
import { scripts } from './scripts.js';
import type { Shard } from './shard.js';

const PAGE = 500;

/** The numbers of a campaign as Redis has them. */
export interface Books {
  readonly epoch: string;
  /** Everything that changes when a unit moves: equal before and after a comparison, nothing moved meanwhile. */
  readonly mark: string;
  readonly whole: boolean;
  readonly nowMs: number;
  readonly number: (name: string) => number;
}

/** One round trip. */
export async function readBooks(shard: Shard): Promise<Books> {
  const reply = await shard.run(scripts.inspect, {});
  if (reply[0] === 'missing') throw notReady(shard.campaignId, 'missing');
  const fields = fieldsOf(reply);
  if (fields.has('building')) throw notReady(shard.campaignId, 'rebuilding');
  const number = (name: string) => Number(fields.get(name) ?? 0);
  // The scans that follow answer for this state or a later one.
  shard.sawStamp(fields.get('epoch')!, number('stamp'));
  // Where people wait the stamp moves with the line, which says nothing of the units.
  const stamp = fields.has('room') ? [] : ['stamp'];
  const counters = ['total', 'lastSerial', 'reserved', 'issued', 'revoked', 'withdrawn', 'returned', 'pool'];
  return {
    epoch: fields.get('epoch')!,
    mark: ['epoch', ...stamp, ...counters].map((name) => fields.get(name)).join(' '),
    whole: reply[2] === '1',
    nowMs: Number(reply[1]),
    number,
  };
}

export interface GrantSeen {
  readonly issuance: Issuance;
  /** When its lease ends, ms; `null` where it has none. */
  readonly due: number | null;
}

/** Every grant, a page at a time; one may come twice. One round trip per 500. */
export async function* scanGrants(shard: Shard, epoch: string): AsyncGenerator<GrantSeen[]> {
  let cursor = '0';
  do {
    const args = { epoch, fence: shard.fence, cursor, limit: String(PAGE) };
    const reply = inOnePiece(await answered(shard, shard.run(scripts.scanGrants, args)));
    cursor = String(reply[1]);
    const page: GrantSeen[] = [];
    for (let i = 2; i < reply.length; i += 3) {
      const due = String(reply[i + 2]);
      page.push({
        issuance: issuanceAt(shard, epoch, String(reply[i]), String(reply[i + 1])),
        due: due === '' ? null : Number(due),
      });
    }
    // A hash in its compact form comes as a whole.
    for (let first = 0; first < page.length || first === 0; first += PAGE) yield page.slice(first, first + PAGE);
  } while (cursor !== '0');
}

/** The grants of the same users and numbers, or `null`, in order. One round trip; at most 500. */
export async function readGrants(
  shard: Shard,
  epoch: string,
  of: readonly Pick<Issuance, 'grant' | 'userId'>[],
): Promise<(Issuance | null)[]> {
  if (of.length === 0) return [];
  const items = of.map(({ grant, userId }) => ({ field: fieldOf(grant, userId) }));
  const reply = await answered(shard, shard.run(scripts.readGrants, { epoch, fence: shard.fence }, items));
  return items.map(({ field }, i) => {
    const record = String(reply[i + 1]);
    return record === '' ? null : issuanceAt(shard, epoch, field, record);
  });
}

/** The serials of the units that are offered again, or that wait in the pool. One round trip per 500. */
export async function* scanFree(shard: Shard, epoch: string): AsyncGenerator<number[]> {
  for (let offset = 0; ; offset += PAGE) {
    const args = { epoch, fence: shard.fence, offset: String(offset), limit: String(PAGE) };
    const reply = await answered(shard, shard.run(scripts.scanFree, args));
    yield reply.slice(1).map(Number);
    if (reply.length < PAGE + 1) return;
  }
}

/** A place in the backlog of write-behind is a stamp in seconds, and lies below every instant in ms. */
export function isInLine(due: number): boolean {
  return due < 100_000_000_000;
}

/** The score of `NEVER` in `due.lua`. */
export function isInQuarantine(due: number): boolean {
  return due === Number.MAX_SAFE_INTEGER;
}

/** Where the unit of a row without a grant was found. */
export type UnitPlace = 'free' | 'beyond' | 'nobody';

/** Writes the row back, if its unit is still where it was found. One round trip. */
export async function mendRow(shard: Shard, epoch: string, row: Issuance, place: UnitPlace): Promise<boolean> {
  const args = {
    epoch,
    fence: shard.fence,
    field: fieldOf(row.grant, row.userId),
    id: row.id,
    serial: String(row.serial),
    issuedAt: String(row.issuedAt.getTime()),
    code: row.code ?? '',
    ...fateOf(row),
    place,
  };
  return repaired(shard, epoch, await answered(shard, shard.run(scripts.mendRow, args)), 'mended');
}

/** Lets settle save it again. One round trip. */
export async function reopenGrant(shard: Shard, epoch: string, issuance: Issuance): Promise<boolean> {
  const args = { epoch, fence: shard.fence, field: fieldOf(issuance.grant, issuance.userId), id: issuance.id };
  return repaired(shard, epoch, await answered(shard, shard.run(scripts.reopenGrant, args)), 'reopened');
}

function repaired(shard: Shard, epoch: string, [word, stamp]: Reply, done: 'mended' | 'reopened'): boolean {
  if (oneOf('repair', [done, 'moved'], word) === 'moved') return false;
  shard.sawStamp(epoch, Number(stamp));
  return true;
}

function issuanceAt(shard: Shard, epoch: string, field: string, record: string): Issuance {
  const { grant, userId } = splitField(field);
  return decodeIssuance(grant, record, shard.recordOf(userId, epoch));
}

async function answered(shard: Shard, asked: Promise<Reply>): Promise<Reply> {
  const reply = await asked;
  const [word] = reply;
  if (isNotReady(word)) throw notReady(shard.campaignId, word);
  // In the middle of the comparison it was rebuilt, or went back to before a rebuild.
  if (word === 'stale_epoch') {
    const found = await shard.refresh();
    throw notReady(shard.campaignId, typeof found === 'string' ? found : 'rebuilding');
  }
  return reply;
}
