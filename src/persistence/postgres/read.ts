import type { CouponTally } from '../../model/coupon.js';
import type { Issuance } from '../../model/issuance.js';
import type { UserIdType } from '../own-table.js';
import { type CountRow, type Row, textOf, toIssuance, toTally } from '../row.js';
import type { PostgresClient } from './client.js';
import { arrayOf } from './insert.js';
import { selectedOf, USER_TYPES } from './select-list.js';

const countOf = (name: string, where: string) => `count(*) FILTER (WHERE ${where}) AS ${name}`;
const COUNTS = [
  countOf('issued', `t.state = 'issued' AND (t.expires_at IS NULL OR t.expires_at > statement_timestamp())`),
  countOf('redeemed', `t.state = 'redeemed'`),
  countOf('expired', `t.state = 'issued' AND t.expires_at <= statement_timestamp()`),
  countOf('revoked', `t.state = 'revoked'`),
  countOf('returned', 't.unit_returned'),
].join(', ');

/** Reads rows by their users, by their states, and by the campaigns that there are. */
export class ReadStatements {
  readonly #table: string;
  readonly #client: PostgresClient;
  readonly #userId: UserIdType;

  constructor(table: string, client: PostgresClient, userId: UserIdType) {
    this.#table = table;
    this.#userId = userId;
    this.#client = client;
  }

  /** One look-up in the key of campaign, user and grant for each user and campaign. */
  async listByUser(
    userIds: readonly string[],
    { campaignIds, limit }: { readonly campaignIds: readonly string[]; readonly limit: number },
  ): Promise<Issuance[]> {
    const text = `SELECT ${selectedOf(this.#userId)} FROM ${this.#table} t
      WHERE t.campaign_id = ANY($1::text[]) AND t.user_id = ANY($2::${USER_TYPES[this.#userId]}[]) ORDER BY t.issued_at DESC, t.serial DESC LIMIT $3`;
    const { rows } = await this.#client.query(text, [arrayOf(campaignIds), arrayOf(userIds), limit]);
    return (rows as Row[]).map(toIssuance);
  }

  /** One look-up in a key for each campaign. `DISTINCT` would read every row. */
  async campaigns(): Promise<string[]> {
    const next = (where: string) =>
      `SELECT t.campaign_id FROM ${this.#table} t ${where} ORDER BY t.campaign_id LIMIT 1`;
    const { rows } = await this.#client.query(`WITH RECURSIVE c AS (
      (${next('')}) UNION ALL SELECT (${next('WHERE t.campaign_id > c.campaign_id')}) FROM c WHERE c.campaign_id IS NOT NULL
    ) SELECT campaign_id FROM c WHERE campaign_id IS NOT NULL`);
    return (rows as Pick<Row, 'campaign_id'>[]).map(({ campaign_id }) => textOf(campaign_id));
  }

  async count(campaignId: string): Promise<CouponTally> {
    const { rows } = await this.#client.query(`SELECT ${COUNTS} FROM ${this.#table} t WHERE t.campaign_id = $1`, [
      campaignId,
    ]);
    return toTally(rows[0] as CountRow);
  }
}
