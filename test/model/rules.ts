/**
 * The rules of the protocol, one sentence each. The model runs with all of them; a mutant is the protocol without one.
 */
export const RULES = {
  callNumbers: 'a reserve whose call number was seen before takes nothing',
  refusalsAreNumbered: 'a refusal writes the call number down too',
  repeatsShareNothing: 'a copy of a reserve never finds what another call took under its own stamp',
  takeoverStamp: 'what a call takes over carries another stamp than what it takes',
  ownIdFirst: 'reserve looks for its own id before window, pause and stock',
  repeatTakesOver: 'the same id under a fresh call number gets a new stamp',
  onlyNewMayRelease: 'only the reply `new` carries the right to release',
  epochOnReserve: 'reserve acts under the epoch it names',
  epochOnVerbs: 'confirm, release, reassign, withdraw and adopt act under the epoch they name',
  neverALowerGeneration: 'a process never follows an epoch of a lower generation',
  fenceOnReserve: 'reserve refuses a state that is behind the stamp its process saw',
  fenceOnClaim: 'claim refuses a state that is behind the stamp its process saw',
  stampOnRelease: 'release acts on the stamp it names only',
  stampOnConfirm: 'confirm acts on the id and stamp it names only',
  stampOnWithdraw: 'withdraw acts on the stamp it names only',
  claimStamps: 'a claim gives a new stamp',
  missingRefuses: 'missing state refuses',
  siblingsAreCounted: 'a sibling key that vanished is noticed',
  savedOnFullMatch: 'a save is `saved` only where id, serial and code match the row',
  uniqueUnit: 'the database has each serial and each code once',
  uniqueGrant: 'the database has each grant of a user once',
  adoptRows: 'a row that Redis forgot is written back to it',
  adoptTakesUnit: 'adopting a row takes its unit from where it is',
  adoptGivesBack: 'adopting a row gives the unit reserved in its place back',
  reassignOnce: 'reassign names stamp and refused unit, so that a copy of it does nothing',
  skipOnlyTheRefused: 'reassign withdraws the refused unit alone',
  noReleaseOnUnknownSave: 'an unknown save is no reason to release',
  doubtIsRemembered: 'a save in doubt forbids the release for good',
  noReleaseOfDelivered: 'what was delivered is not released',
  noReleaseOfDoubtfulDelivery: 'a delivery in doubt forbids the release',
  noReleaseOfPromised: 'what a caller was promised is not released',
  releaseUnknown: 'a lost reply to a release is not NotIssuedError',
  releaseTakenOver: 'a release refused by a takeover is not NotIssuedError',
  releaseStale: 'a release under an old epoch is not NotIssuedError',
  retakenPromisesNothing: 'a release that finds the unit taken anew promises nothing',
  refusedProvesOneAttempt: 'a row that is refused proves nothing of an earlier save of it',
  refusedAfterDelivery: 'what was delivered and is then refused is not released',
  refusedIsToldLast: 'a refused row is told not_eligible only once Redis said that its unit is back',
  settleNeverReleases: 'settle never releases',
  openVerifies: 'a campaign that was just written does not serve',
  openLooks: 'a campaign is activated only after the database was found empty',
  activateNamesEpoch: 'activation names the epoch whose database was looked at',
  openingsDiffer: 'every run of the opening writes an epoch of its own',
  openTouchesNothing: 'opening leaves state that is there alone',
  openLeavesRebuilds: 'opening does not activate what a rebuild is making',
  unverifiedIsUnknown: 'a process does not send a reserve to state that it saw unverified',
  codesLoadOnce: 'a code that was ever loaded is not loaded again',
  quarantineKeepsUnit: 'quarantine keeps the unit',
  rebuildNewEpoch: 'a rebuild begins a new epoch, so that the old one is fenced off',
  rebuildNamesEpoch: 'a rebuild begins only over the epoch it found',
  rebuildHides: 'what a rebuild has half built does not serve',
  rebuildKeepsPromised: 'what Redis still knows of promises is kept by a rebuild',
  rebuildKeepsOld: 'grants that were put aside and still wait are not overwritten',
  rebuildFencesRivals: 'a rebuild that another one overtook does nothing any more',
  rebuildCountsPages: 'a page of rows is written once, in its turn',
  fenceOnRebuild: 'no step of a rebuild is taken on a state that is behind the step before',
  rowsWin: 'a row replaces what was promised to the same user',
  rebuildMovesLosers: 'whoever was promised a unit that is the row of somebody else gets another one',
  rebuildSeesEveryHolder: 'of several who were promised one unit at most one keeps it',
  rebuildFreesReplaced: 'the unit of a promise that a row replaced becomes free',
  rebuildTellsIssued: 'during a rebuild a repeat is told issued only of what was issued',
  rebuildFreesGaps: 'units that nobody has become free',
} as const;

export type Rule = keyof typeof RULES;
export type Rules = Readonly<Record<Rule, boolean>>;

const names = Object.keys(RULES) as Rule[];

/** Every rule holds. */
export const protocol: Rules = Object.fromEntries(names.map((name) => [name, true])) as Rules;

export function without(...rules: readonly Rule[]): Rules {
  return { ...protocol, ...Object.fromEntries(rules.map((rule) => [rule, false])) };
}
