import type { UserIdType } from '../own-table.js';

/** Instants as numbers, because a client would read them in a time zone of its own. */
const inMs = (column: string) => `round(extract(epoch from t.${column}) * 1000)::bigint AS ${column}_ms`;
const TEXTS = ['id', 'campaign_id', 'code', 'epoch', 'state', 'state_by', 'undone'];
const NUMBERS = ['grant_no', 'serial', 'version', 'unit_returned'];

/** The types of user ids in statements. */
export const USER_TYPES: Readonly<Record<UserIdType, string>> = {
  text: 'text',
  bigint: 'bigint',
  integer: 'int',
  uuid: 'uuid',
};

/** The columns of a row of `t`, as `toIssuance` reads them. A user id is read as text, because a client may read a number as one of its own. */
export function selectedOf(userId: UserIdType): string {
  return [
    ...[...TEXTS, ...NUMBERS].map((column) => `t.${column}`),
    userId === 'text' ? 't.user_id' : 't.user_id::text AS user_id',
    't.data::text AS data',
    ...['issued_at', 'expires_at', 'state_at'].map(inMs),
  ].join(', ');
}
