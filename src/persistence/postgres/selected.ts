/** Instants as numbers, because a client would read them in a time zone of its own. */
const inMs = (column: string) => `round(extract(epoch from t.${column}) * 1000)::bigint AS ${column}_ms`;
const TEXTS = ['id', 'campaign_id', 'user_id', 'code', 'epoch', 'state', 'state_by', 'undone'];
const NUMBERS = ['grant_no', 'serial', 'version', 'unit_returned'];

/** The columns of a row of `t`, as `toIssuance` reads them. */
export const SELECTED = [
  ...[...TEXTS, ...NUMBERS].map((column) => `t.${column}`),
  't.data::text AS data',
  ...['issued_at', 'expires_at', 'state_at'].map(inMs),
].join(', ');
