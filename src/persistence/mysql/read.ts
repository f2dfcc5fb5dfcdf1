import { type CouponTally, newestFirst } from '../../model/coupon.js';
import type { Issuance } from '../../model/issuance.js';
import { type CountRow, type Row, textOf, toIssuance, toTally } from '../row.js';
import type { MysqlClient } from './client.js';
import { selectedOf } from './select-list.js';
import type { UserIdForm } from './user-ids.js';

const countOf = (name: string, where: string) => `COUNT(IF(${where}, 1, NULL)) AS ${name}`;
const COUNTS = [
  countOf('issued', "state = 'issued' AND (expires_at IS NULL OR expires_at > UTC_TIMESTAMP(3))"),
  countOf('redeemed', "state = 'redeemed'"),
  countOf('expired', "state = 'issued' AND expires_at <= UTC_TIMESTAMP(3)"),
  countOf('revoked', "state = 'revoked'"),
  countOf('returned', 'unit_returned = 1'),
].join(', ');

/** So many ranges of a key are one statement. From 200 on, the server guesses what they hold, and may read whole campaigns instead. */
const MOST_RANGES = 150;

/** Reads rows by their users, by their states, and by the campaigns that there are. */
export class ReadStatements {
  readonly #table: string;
  readonly #client: MysqlClient;
  readonly #userIds: UserIdForm;

  constructor(table: string, client: MysqlClient, userIds: UserIdForm) {
    this.#userIds = userIds;
    this.#table = table;
    this.#client = client;
  }

  /** One look-up in the key of campaign, user and grant for each user and campaign. */
  async listByUser(
    userIds: readonly string[],
    { campaignIds, limit }: { readonly campaignIds: readonly string[]; readonly limit: number },
  ): Promise<Issuance[]> {
    const sql = `SELECT ${selectedOf(this.#userIds)} FROM ${this.#table} WHERE campaign_id IN (?) AND user_id IN (?)
      ORDER BY issued_at DESC, serial DESC LIMIT ?`;
    const found: Issuance[] = [];
    for (const some of inParts(userIds, MOST_RANGES)) {
      for (const campaigns of inParts(campaignIds, Math.floor(MOST_RANGES / some.length))) {
        const rows = await this.#client.query(sql, [campaigns.map(asBytes), some.map(this.#userIds.sent), limit]);
        for (const row of rows as Row[]) found.push(toIssuance(row));
      }
    }
    return found.sort(newestFirst).slice(0, limit);
  }

  /** Once the server knows the statistics of the table, it jumps from each campaign to the next one in a key. Before that, it reads the key. */
  async campaigns(): Promise<string[]> {
    const rows = await this.#client.query(`SELECT DISTINCT campaign_id FROM ${this.#table}`, []);
    return (rows as Pick<Row, 'campaign_id'>[]).map(({ campaign_id }) => textOf(campaign_id));
  }

  async count(campaignId: string): Promise<CouponTally> {
    const sql = `SELECT ${COUNTS} FROM ${this.#table} WHERE campaign_id = ?`;
    const [row] = (await this.#client.query(sql, [Buffer.from(campaignId)])) as CountRow[];
    return toTally(row!);
  }
}

const asBytes = (text: string) => Buffer.from(text);

function inParts(items: readonly string[], size: number): string[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}
