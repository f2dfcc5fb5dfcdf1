/** Instants as numbers, because a client would read them in a time zone of its own. */
const inMs = (column: string) => `TIMESTAMPDIFF(MICROSECOND, '1970-01-01', ${column}) DIV 1000 AS ${column}_ms`;

/** The columns of a row, as `toIssuance` reads them. */
export const SELECTED = [
  'campaign_id, serial, user_id, grant_no, id, code, epoch, state, state_by, undone, version, unit_returned',
  'CAST(data AS BINARY) AS data',
  ...['issued_at', 'expires_at', 'state_at'].map(inMs),
].join(', ');
