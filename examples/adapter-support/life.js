// The life of a coupon after its issue, for tables whose columns have the names of the fields.

/** An issuance as a new row. */
export function newRow(issuance) {
  return { ...issuance, state: 'issued', undone: '', version: 0, unitReturned: false };
}

/** A row as an issuance. One that was never changed has no life. A grant that was freed is NULL. */
export function issuanceOf({ expiresAt, state, stateAt, stateBy, undone, version, unitReturned, ...row }) {
  return {
    ...row,
    grant: row.grant ?? 0,
    state: state === 'revoked' ? 'revoked' : 'issued',
    ...(expiresAt && { expiresAt }),
    ...(version > 0 && { life: { version, state, at: stateAt, by: stateBy, undone, unitReturned } }),
  };
}

/** The columns that a change sets, next to the version. `now` is for `stateAt`, and may be SQL. */
export function columnsSetBy({ to, undone, expiresAt, unitReturned, freesGrant }, now) {
  return {
    ...(to && { state: to.state, stateBy: to.by, stateAt: now }),
    ...(undone !== undefined && { undone }),
    ...(expiresAt && { expiresAt }),
    ...(unitReturned && { unitReturned }),
    ...(freesGrant && { grant: null }),
  };
}

/** In one order, so that two batches which share coupons wait for each other instead of locking each other out. */
export function inOneOrder(changes) {
  const keyOf = ({ ref }) => JSON.stringify([ref.campaignId, ref.code, ref.id]);
  return changes.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

/** The row of each ref, or `null`, in order: a row that has everything the ref names. */
export function namedAmong(rows, refs) {
  const isNamed = (row, named) => named.every(([field, value]) => row[field] === value);
  return refs.map((ref) => {
    const named = fieldsOf(ref);
    return rows.find((row) => isNamed(row, named)) ?? null;
  });
}

/** Whatever a ref names: all of it has to be so. */
export function fieldsOf(ref) {
  return Object.entries(ref).filter(([, value]) => value !== undefined);
}
