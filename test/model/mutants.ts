import type { Name } from './configurations.js';
import type { Rule } from './rules.js';

/** What breaks first without a rule, and where. */
export interface Mutant {
  readonly rule: Rule;
  readonly where: Name;
  readonly breaks: string;
}

const mutant = (rule: Rule, breaks: string, where: Name): Mutant => ({ rule, where, breaks });

/** One for each rule. */
export const MUTANTS: readonly Mutant[] = [
  mutant('callNumbers', 'I5', 'a rebuild at any time beside one call'),
  mutant('refusalsAreNumbered', 'I6', 'a campaign that pauses'),
  mutant('repeatsShareNothing', 'I3', 'a pause before a repeat'),
  mutant('takeoverStamp', 'I3', 'a pause before a repeat'),
  mutant('ownIdFirst', 'I6', 'a campaign that closes'),
  mutant('repeatTakesOver', 'I3', 'callers who stop waiting'),
  mutant('onlyNewMayRelease', 'I3', 'a request id again after the answer'),
  mutant('epochOnReserve', 'I5', 'a rebuild at any time beside one call'),
  mutant('epochOnVerbs', 'I5', 'a rebuild at any time beside one call'),
  mutant('neverALowerGeneration', 'I10', 'a rollback over a rebuild'),
  mutant('fenceOnReserve', 'I10', 'a rollback that every process saw'),
  mutant('fenceOnClaim', 'I10', 'a rollback that every process saw'),
  mutant('stampOnRelease', 'I5', 'a rollback of a clock that stands'),
  mutant('stampOnConfirm', 'I5', 'a rebuild after a rollback with two grants'),
  mutant('stampOnWithdraw', 'I3', 'a quarantine of what is refused for certain'),
  mutant('claimStamps', 'I5', 'a campaign that closes'),
  mutant('missingRefuses', 'I9', 'a rebuild after everything was lost'),
  mutant('siblingsAreCounted', 'I9', 'a key that vanishes'),
  mutant('savedOnFullMatch', 'I7', 'a rollback and a repeat'),
  mutant('uniqueUnit', 'I1', 'a rebuild after a rollback'),
  mutant('uniqueGrant', 'I2', 'a rebuild after a rollback with two grants'),
  mutant('adoptRows', 'I4', 'a rebuild after a rollback with two grants'),
  mutant('adoptTakesUnit', 'I3', 'a rollback and a repeat'),
  mutant('adoptGivesBack', 'I3', 'a rebuild after a rollback with two grants'),
  mutant('reassignOnce', 'I4', 'a rebuild after a rollback'),
  mutant('skipOnlyTheRefused', 'I4', 'a rollback among three users'),
  mutant('noReleaseOnUnknownSave', 'I5', 'a rollback'),
  mutant('doubtIsRemembered', 'I5', 'a campaign that closes'),
  mutant('noReleaseOfDelivered', 'I10', 'deliveries'),
  mutant('noReleaseOfDoubtfulDelivery', 'I10', 'deliveries'),
  mutant('noReleaseOfPromised', 'I5', 'callers who stop waiting'),
  mutant('releaseUnknown', 'I5', 'two users and one unit'),
  mutant('releaseTakenOver', 'I5', 'a rollback of a clock that stands'),
  mutant('releaseStale', 'I5', 'a rebuild at any time beside one call'),
  mutant('retakenPromisesNothing', 'I5', 'a pause before a repeat'),
  mutant('refusedProvesOneAttempt', 'I3', 'rows that the database refuses'),
  mutant('refusedAfterDelivery', 'I10', 'rows that the database refuses after a delivery'),
  mutant('refusedIsToldLast', 'I5', 'rows that the database refuses'),
  mutant('settleNeverReleases', 'I5', 'write-behind'),
  mutant('openVerifies', 'I9', 'an opening after a loss'),
  mutant('openLooks', 'I9', 'an opening after a loss'),
  mutant('activateNamesEpoch', 'I9', 'an opening after a loss'),
  mutant('openingsDiffer', 'I9', 'an opening after a loss'),
  mutant('openTouchesNothing', 'I5', 'a rebuild beside an opening'),
  mutant('openLeavesRebuilds', 'I9', 'a rebuild beside an opening'),
  mutant('unverifiedIsUnknown', 'I6', 'two openings at once'),
  mutant('codesLoadOnce', 'I3', 'loads of a pool'),
  mutant('quarantineKeepsUnit', 'I5', 'a quarantine of what is refused for certain'),
  mutant('rebuildNewEpoch', 'I3', 'a rebuild after a rollback with two grants'),
  mutant('rebuildNamesEpoch', 'I4', 'rebuilds with two definitions'),
  mutant('rebuildHides', 'I9', 'a rollback over a rebuild'),
  mutant('rebuildKeepsPromised', 'I5', 'rebuilds with two definitions'),
  mutant('rebuildKeepsOld', 'I5', 'rebuilds with two definitions'),
  mutant('rebuildFencesRivals', 'I5', 'rebuilds with two definitions'),
  mutant('rebuildCountsPages', 'I3', 'a rebuild of every small wreck with a fault'),
  mutant('fenceOnRebuild', 'I3', 'a rollback over a rebuild'),
  mutant('rowsWin', 'I3', 'a rebuild of every wreck'),
  mutant('rebuildMovesLosers', 'I3', 'a rebuild of every wreck'),
  mutant('rebuildSeesEveryHolder', 'I3', 'a rebuild of every wreck'),
  mutant('rebuildFreesReplaced', 'I3', 'a rebuild of every wreck'),
  mutant('rebuildTellsIssued', 'I5', 'a rebuild at any time'),
  mutant('rebuildFreesGaps', 'I3', 'a rebuild of every wreck'),
];
