/** The rules of revoking, one sentence each. The model runs with all of them; a mutant is the protocol without one. */
export const RULES = {
  rowFirst: 'Redis changes only after the row',
  announces: 'a change is announced before it is made',
  looksFirst: 'an announcement names the version that its caller looked at',
  announceNeverLowers: 'a late announcement does not replace a later one',
  fences: 'an announcement is dropped only once no change of its version can be made',
  dropNamesVersion: 'a drop leaves a later announcement alone',
  againNamesRow: 'what is announced again names the version of the revoked row',
  announcesAgain: 'a revoke whose unit Redis did not take back announces it again',
  takesBackOnce: 'a unit is taken back once',
  takesBackByRow: 'a unit is taken back as the row says, whatever the call says',
  takesBackAnyState: 'a unit is taken back from a reservation as from an issued record',
  takeBackNamesSerial: 'a take-back names the serial',
  returnsNewUnit: 'a new unit comes into the stock, and the old one stays with its row',
  saveTellsRevoked: 'a save that meets its own revoked row is not told that it is saved',
  conflictTakesBack: 'a save that meets its own revoked row takes the unit back as a revoke does',
  adoptSeesRevoked: 'a revoked row is not adopted as an issued one',
  adoptKeepsDelivered: 'a delivered unit does not go back into the stock',
  rebuildMarks: 'a rebuild sees which rows are revoked, and counts their new units',
  rebuildKeepsFreed: 'a rebuild keeps the unit of a row whose grant was freed',
  rebuildEndsOwn: 'a rebuild gives no other unit to a promise whose own row has its unit',
  reconcileTakesBack: 'reconcile takes back what is revoked in the rows alone',
  reconcileSkipsFreed: 'reconcile mends no row whose grant was freed',
  reconcileCounts: 'reconcile compares how many units were replaced',
} as const;

export type Rule = keyof typeof RULES;
export type Rules = Readonly<Record<Rule, boolean>>;
