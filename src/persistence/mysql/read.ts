import type { CouponTally } from '../../model/coupon.js';
import type { Issuance } from '../../model/issuance.js';
import { type CountRow, type Row, textOf, toIssuance, toTally } from '../row.js';
import type { MysqlClient } from './client.js';
import { SELECTED } from './selected.js';

const countOf = (name: string, where: string) => `COUNT(IF(${where}, 1, NULL)) AS ${name}`;
const COUNTS = [
  countOf('issued', "state = 'issued' AND (expires_at IS NULL OR expires_at > UTC_TIMESTAMP(3))"),
  countOf('redeemed', "state = 'redeemed'"),
  countOf('expired', "state = 'issued' AND expires_at <= UTC_TIMESTAMP(3)"),
  countOf('revoked', "state = 'revoked'"),
  countOf('returned', 'unit_returned = 1'),
].join(', ');

/** Reads rows by their users, by their states, and by the campaigns that there are. */
export class ReadStatements {
  readonly #table: string;
  readonly #client: MysqlClient;

  constructor(table: string, client: MysqlClient) {
    this.#table = table;
    this.#client = client;
  }

  /**
   * One look-up in the key of campaign, user and grant for each user and campaign. Beyond some thousand pairs, a server takes two lists of `IN` for too many ranges
   * and reads whole campaigns.
   */
  async listByUser(
    userIds: readonly string[],
    { campaignIds, limit }: { readonly campaignIds: readonly string[]; readonly limit: number },
  ): Promise<Issuance[]> {
    if (userIds.length === 0 || campaignIds.length === 0) return [];
    const sql = `SELECT ${SELECTED} FROM ${listed('of_campaign', campaignIds)} c STRAIGHT_JOIN ${listed('of_user', userIds)} u
      STRAIGHT_JOIN ${this.#table} t ON t.campaign_id = c.of_campaign AND t.user_id = u.of_user
      ORDER BY issued_at DESC, serial DESC LIMIT ?`;
    const texts = [...campaignIds, ...userIds].map((text) => Buffer.from(text));
    return ((await this.#query(sql, [...texts, limit])) as Row[]).map(toIssuance);
  }

  /** The server jumps from each campaign to the next one in a key. */
  async campaigns(): Promise<string[]> {
    const rows = await this.#query(`SELECT DISTINCT campaign_id FROM ${this.#table}`, []);
    return (rows as Pick<Row, 'campaign_id'>[]).map(({ campaign_id }) => textOf(campaign_id));
  }

  async count(campaignId: string): Promise<CouponTally> {
    const sql = `SELECT ${COUNTS} FROM ${this.#table} WHERE campaign_id = ?`;
    const [row] = (await this.#query(sql, [Buffer.from(campaignId)])) as CountRow[];
    return toTally(row!);
  }

  async #query(sql: string, values: unknown[]): Promise<unknown> {
    const [result] = await this.#client.query({ sql, values, rowsAsArray: false });
    return result;
  }
}

/** A derived table of one column. */
function listed(name: string, values: readonly string[]): string {
  return `(SELECT ? AS ${name}${' UNION ALL SELECT ?'.repeat(values.length - 1)})`;
}
