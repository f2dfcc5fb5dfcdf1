const MODEL = 'test/model/life.test.ts';
const REDEEMING = 'test/integration/redeeming.test.ts';
const RULE = 'src/redeem/decide.ts';
const AGAIN = 'a redemption, undone and made again';
const OTHER = 'two redemptions, one of them undone';
const BOTH = 'two redemptions, both undone, and one made again';

/** Defects of the rule of one coupon. */
export const LIFE = [
  {
    defect: 'a row without a grant is legal, whatever became of its coupon',
    file: 'src/model/issuance.ts',
    find: "grant === 0 && ownedLife?.state === 'revoked'",
    replace: 'grant === 0',
    caughtBy: {
      file: 'test/unit/life.test.ts',
      test: 'a row without a grant is the one of a revoked coupon, and of no other',
    },
  },
  {
    defect: 'the row of a freed grant is refused',
    file: 'src/model/issuance.ts',
    find: "(isWithin(grant, MAX_PER_USER) || (grant === 0 && ownedLife?.state === 'revoked')) &&",
    replace: 'isWithin(grant, MAX_PER_USER) &&',
    caughtBy: {
      file: 'test/unit/life.test.ts',
      test: 'a row without a grant is the one of a revoked coupon, and of no other',
    },
  },
  {
    defect: 'a redemption that was undone is not remembered',
    file: RULE,
    find: "  return [...marks, markOf(id)].slice(-MOST_MARKS).join(',');",
    replace: '  return undone;',
    caughtBy: { file: MODEL, test: AGAIN },
  },
  {
    defect: 'only the last redemption that was undone is remembered',
    file: RULE,
    find: '.slice(-MOST_MARKS)',
    replace: '.slice(-1)',
    caughtBy: { file: MODEL, test: BOTH },
  },
  {
    defect: 'an unredeem of a coupon that is not redeemed leaves no mark',
    file: RULE,
    find: "  return { change, answer: 'not_redeemed' };",
    replace: "  return { answer: 'not_redeemed' };",
    caughtBy: { file: MODEL, test: OTHER },
  },
  {
    defect: 'a change that keeps the state does not count up',
    file: 'src/model/life.ts',
    find: '      version: life.version + 1,',
    replace: '      version: life.version + (to ? 1 : 0),',
    caughtBy: { file: MODEL, test: AGAIN },
  },
  {
    defect: 'an unredeem ends the redemption of another id',
    file: RULE,
    find: "  if (state === 'redeemed' && by === id) {\n    return { change: {",
    replace: "  if (state === 'redeemed') {\n    return { change: {",
    caughtBy: { file: MODEL, test: OTHER },
  },
  {
    defect: 'expired is told in doubt without a change that counts up',
    file: RULE,
    find: '  return inDoubt ? {',
    replace: '  return false ? {',
    caughtBy: { file: MODEL, test: AGAIN },
  },
  {
    defect: 'a revocation ends a redemption',
    file: RULE,
    find: "  if (state === 'redeemed') return { answer: 'already_redeemed' };\n  const change",
    replace: '  const change',
    caughtBy: { file: MODEL, test: 'two redemptions and a revocation' },
  },
  {
    defect: 'a redemption looks for its own undoing last',
    file: RULE,
    find: "  if (isUndone(undone, id)) return { answer: 'redemption_undone' };\n  if (state === 'redeemed') return { answer: 'already_redeemed' };",
    replace:
      "  if (state === 'redeemed') return { answer: 'already_redeemed' };\n  if (isUndone(undone, id)) return { answer: 'redemption_undone' };",
    caughtBy: { file: MODEL, test: OTHER },
  },
  {
    defect: 'a change of any version is made',
    file: 'src/model/life.ts',
    find: '  if (life.version !== change.version) return null;\n',
    replace: '',
    caughtBy: { file: MODEL, test: OTHER },
  },
  {
    defect: 'an expired coupon is redeemed',
    file: 'src/model/life.ts',
    find: '  if (change.unexpired && expiresAt !== null && expiresAt <= now) return null;\n',
    replace: '',
    caughtBy: { file: MODEL, test: AGAIN },
  },
  {
    defect: 'a coupon without an end is told expired',
    file: RULE,
    find: ' || expiresAt === null)\n    return { change',
    replace: ')\n    return { change',
    caughtBy: { file: 'test/unit/life.test.ts', test: 'is never told of a coupon without an end' },
  },
  {
    defect: 'calls about coupons wait without a bound',
    file: 'src/redeem/changes.ts',
    find: 'if (this.#pending >= this.#maxQueued) {',
    replace: 'if (this.#pending < 0) {',
    caughtBy: { file: 'test/unit/changes.test.ts', test: 'calls above maxQueued are refused' },
  },
  {
    defect: 'a state that must not be acted on says that a coupon is absent',
    file: 'src/core.ts',
    find: 'return error instanceof UnknownCampaignError ||',
    replace: "return (error as Error).name === 'NotReadyError' || error instanceof UnknownCampaignError ||",
    caughtBy: { file: REDEEMING, test: 'a coupon is neither found nor missed while its campaign is rebuilt' },
  },
  {
    defect: 'any code of a user with a reserved coupon is taken for its code',
    file: 'src/redeem/coupons.ts',
    find: "'code' in ref ? one.code === ref.code",
    replace: "'code' in ref ? one.state === 'reserved' || one.code === ref.code",
    caughtBy: {
      file: REDEEMING,
      test: 'a coupon that is reserved is known by its code, and a wrong code is not found',
    },
  },
  {
    defect: 'a code is looked for among reserved coupons alone',
    file: 'src/redeem/coupons.ts',
    find: "'code' in ref ? one.code === ref.code",
    replace: "'code' in ref ? one.state === 'reserved' && one.code === ref.code",
    caughtBy: { file: REDEEMING, test: 'a coupon that is saved after the statement is not saved yet, by its code' },
  },
];
