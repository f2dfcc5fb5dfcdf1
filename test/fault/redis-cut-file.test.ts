import { statSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { CouponIssuer, type IssueResult, type PersistenceAdapter } from '../../src/index.js';
import { type Book, memoryBook, unreliable } from '../support/checks/books.js';
import { printFigures } from '../support/checks/figures.js';
import { checkInvariants, checkRows, checkState, expireLeases } from '../support/checks/invariants.js';
import { Ledger } from '../support/checks/ledger.js';
import { LIMIT, length, SEED } from '../support/checks/lengths.js';
import { own } from '../support/checks/own.js';
import { seeded } from '../support/checks/random.js';
import { type CampaignUnderFault, counted, pooled } from '../support/scenes/fault-campaigns.js';
import { issueNamed, openNamed, rebuildNamed } from '../support/scenes/named.js';
import { copyData, cutAof, growingAof, KEEPS, putBack } from '../support/servers/redis-data.js';
import { RedisServer } from '../support/servers/redis-server.js';

const TOTAL = 90;
const ROUNDS = 8;
const CUTS = length(200, 2_000);
const CAMPAIGNS = [counted('cut-counted', TOTAL), pooled('cut-pool', TOTAL)];
const { signal } = new AbortController();

/** A database that a test can exchange under the processes that use it. */
class Exchanged implements PersistenceAdapter {
  book: Book = memoryBook();
  readonly save: Book['save'] = (issuances, options) => this.book.save(issuances, options);
  readonly list: NonNullable<Book['list']> = (campaignId, options) => this.book.list!(campaignId, options);
  readonly look: NonNullable<Book['look']> = (refs, options) => this.book.look!(refs, options);
  readonly change: NonNullable<Book['change']> = (changes, options) => this.book.change!(changes, options);
}

type Rows = Awaited<ReturnType<NonNullable<Book['list']>>>;

/** What was true when the whole file was written. */
interface Before {
  readonly campaign: CampaignUnderFault;
  readonly told: Ledger;
  readonly rows: Rows;
  readonly stamp: number;
}

const outcomeOf = (issued: Promise<IssueResult>) => issued.catch((error: Error) => error);

async function tell(ledger: Ledger, issuer: CouponIssuer, campaignId: string, userId: string): Promise<void> {
  const ask = { campaignId, userId, requestId: 'one' };
  ledger.told(ask, await outcomeOf(issueNamed(issuer, ask)), 0);
}

/** Units taken, given back, taken over, exchanged, settled; codes loaded later; pauses. */
async function writeHistory({ id, codes, definition }: CampaignUnderFault, issuer: CouponIssuer, redis: Redis) {
  const told = new Ledger();
  await openNamed(issuer, definition);
  const [first, second] = [codes?.slice(0, TOTAL / 2), codes?.slice(TOTAL / 2)];
  if (first) await issuer.campaign(id).loadCodes(first);
  for (let round = 0; round < ROUNDS; round++) {
    await Promise.all(Array.from({ length: 6 }, (_, i) => tell(told, issuer, id, `user-${round}-${i}`)));
    await issuer.campaign(id).pause();
    await issuer.campaign(id).resume();
    if (round === 4 && second) await issuer.campaign(id).loadCodes(second);
    if (round % 3 !== 2) continue;
    await expireLeases(redis, id);
    await issuer.campaign(id).settle();
  }
  await issuer.idle();
  return told;
}

const stampOf = async (redis: Redis, id: string) => Number(await redis.hget(`{coupon:${id}}:campaign`, 'stamp'));

test(
  `an append-only file cut at ${CUTS} random places gives a whole state or none, the database stays right on it, and a rebuild mends it`,
  async () => {
    const random = seeded(SEED);
    const server = await own(RedisServer.with({ args: KEEPS.written }));
    const redis = server.client();
    const persistence = new Exchanged();
    persistence.book = unreliable(persistence.book, SEED, 0.3);
    const witness = new CouponIssuer({ redis, persistence });
    const before: Before[] = [];
    for (const campaign of CAMPAIGNS) {
      const told = await writeHistory(campaign, witness, redis);
      const rows = await persistence.list(campaign.id, { afterSerial: 0, limit: TOTAL });
      before.push({ campaign, told, rows, stamp: await stampOf(redis, campaign.id) });
    }
    redis.disconnect();
    await server.kill();
    const file = copyData(server.dir);
    const size = statSync(growingAof(file)).size;

    const seen = { refused: 0, whole: 0, behind: 0 };
    let requests = 0;
    for (let cut = 0; cut < CUTS; cut++) {
      putBack(server.dir, file);
      cutAof(server.dir, Math.floor(random() * size));
      await server.restart();
      await redis.connect();
      persistence.book = memoryBook();
      for (const one of before) {
        await persistence.save(one.rows, { signal });
        const word = await judgeState(redis, one, persistence, witness);
        seen[word]++;
        const stranger = new CouponIssuer({ redis, persistence });
        requests += 1 + (await issueOn(stranger, one, word, random, persistence.book));
        await mend(stranger, one, redis, persistence.book);
      }
      redis.disconnect();
      await server.kill();
    }
    const figures = { requests, injected: { cuts: CUTS }, violations: 0, outageSeconds: null };
    printFigures({ fault: 'The append-only file cut', ...figures });
    for (const [word, count] of Object.entries(seen)) expect(count, word).toBeGreaterThan(CUTS / 50);
  },
  LIMIT,
);

/** Whole or refused; and whoever saw the end of the file is refused wherever a part with a stamp is missing. */
async function judgeState(
  redis: Redis,
  { campaign: { id }, stamp }: Before,
  persistence: Exchanged,
  witness: CouponIssuer,
) {
  const campaign = await new CouponIssuer({ redis, persistence })
    .campaign(id)
    .inspect()
    .catch(() => null);
  const ready = campaign?.ready ?? false;
  if (ready) await checkState({ redis, campaignId: id });
  const isBehind = (await stampOf(redis, id)) < stamp;
  const saw = await outcomeOf(witness.campaign(id).issue({ userId: 'witness', requestId: 'one' }));
  if (!ready || isBehind) expect(saw).toMatchObject({ status: 'not_ready' });
  if (!ready) return 'refused';
  return isBehind ? 'behind' : 'whole';
}

/** A process that has seen nothing serves what is there; new users ask, and such as have rows. */
async function issueOn(stranger: CouponIssuer, one: Before, word: string, random: () => number, book: Book) {
  const { campaign, told } = one;
  const here = new Ledger();
  for (let i = 0; i < 4; i++) {
    await tell(here, stranger, campaign.id, `new-${i}`);
    await tell(here, stranger, campaign.id, `user-${Math.floor(random() * ROUNDS)}-${i}`);
  }
  await stranger.idle();
  if (word === 'refused') expect(here.count('refused')).toBe(here.requests);
  const rows = await book.rows(campaign.id);
  checkRows(rows, campaign);
  for (const ledger of [told, here]) expect(ledger.violations(campaign.id, rows, false)).toEqual([]);
  return here.requests;
}

async function mend(operator: CouponIssuer, { campaign }: Before, redis: Redis, book: Book): Promise<void> {
  const { id, definition, codes, total } = campaign;
  await rebuildNamed(operator, definition, codes ? { codes } : {});
  await operator.campaign(id).resume();
  await expireLeases(redis, id);
  await operator.campaign(id).settle();
  await Promise.all(Array.from({ length: total + 1 }, (_, i) => operator.campaign(id).issue({ userId: `late-${i}` })));
  await operator.idle();
  const rows = await book.rows(id);
  expect(rows.length).toBe(total);
  await checkInvariants({ redis, campaignId: id, rows, settled: true });
}
