/**
 * The stored row of each issuance, or `null`, in order: what `find` answers.
 * @param {readonly import('coupon-issuer').Issuance[]} rows more may be among them
 * @param {readonly import('coupon-issuer').Issuance[]} issuances
 */
export function foundAmong(rows, issuances) {
  const keyOf = ({ campaignId, id }) => JSON.stringify([campaignId, id]);
  const rowOf = new Map(rows.map((row) => [keyOf(row), row]));
  return issuances.map((issuance) => rowOf.get(keyOf(issuance)) ?? null);
}
