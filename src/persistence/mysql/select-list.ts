import type { UserIdForm } from './user-ids.js';

/** Instants as numbers, because a client would read them in a time zone of its own. */
const inMs = (column: string) => `TIMESTAMPDIFF(MICROSECOND, '1970-01-01', ${column}) DIV 1000 AS ${column}_ms`;

/** The columns of a row, as `toIssuance` reads them. A user id is read as text, because a client may read a number as one of its own. */
export function selectedOf({ textOf }: UserIdForm): string {
  return [
    'campaign_id, serial, grant_no, id, code, epoch, state, state_by, undone, version, unit_returned',
    `${textOf('user_id')} AS user_id`,
    'CAST(data AS BINARY) AS data',
    ...['issued_at', 'expires_at', 'state_at'].map(inMs),
  ].join(', ');
}
