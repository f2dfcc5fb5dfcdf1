/**
 * A verdict on each issuance, in order, by the stored rows that share a unique key with one of them.
 * @param {readonly import('coupon-issuer').Issuance[]} issuances
 * @param {readonly import('coupon-issuer').Issuance[]} rows more may be among them
 * @returns {import('coupon-issuer').SaveVerdict[]}
 */
export function verdictsOn(issuances, rows) {
  const rowOf = new Map(rows.flatMap((row) => keysOf(row).map((key) => [key, row])));
  return issuances.map((issuance) => {
    const { serial, code } = issuance;
    const [byId, byGrant, bySerial, byCode] = keysOf(issuance).map((key) => rowOf.get(key));
    if (byId?.serial === serial && byId.code === code) return { verdict: 'saved' };
    const existing = byId ?? byGrant;
    if (existing) return { verdict: 'user_conflict', existing };
    if (bySerial) return { verdict: 'serial_conflict' };
    if (byCode && code !== null) return { verdict: 'code_conflict' };
    // A verdict is proof. Whoever sees none throws, and the batch is saved once more.
    throw new Error('neither stored nor refused');
  });
}

/** The stored row of each issuance, or `null`, in order: what `find` answers. */
export function foundAmong(rows, issuances) {
  const rowOf = new Map(rows.map((row) => [keysOf(row)[0], row]));
  return issuances.map((issuance) => rowOf.get(keysOf(issuance)[0]) ?? null);
}

/** What is unique in a campaign, as text. */
function keysOf({ campaignId, id, userId, grant, serial, code }) {
  const keys = [{ id }, { userId, grant }, { serial }, { code }];
  return keys.map((key) => JSON.stringify({ campaignId, ...key }));
}
