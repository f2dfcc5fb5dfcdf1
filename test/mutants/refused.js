const SAVE = 'test/unit/save.test.ts';
const UNTRUE = 'test/fault/untrue-answers.test.ts';
const LISTING = 'test/integration/listing.test.ts';

const ROW = 'test/fault/refused-row.test.ts';

/** What an adapter or a hook says and does: checked before it counts, read once, and told once. */
export const REFUSED = [
  {
    defect: 'a row that is refused while an earlier save of it is in doubt is given back',
    file: 'src/save.ts',
    find: 'return doubt ? verdicts.map(inDoubt) : verdicts',
    replace: 'return verdicts',
    caughtBy: { file: ROW, test: 'a row that is refused after an attempt whose outcome is unknown' },
  },
  {
    defect: 'a row that is refused after its delivery is given back',
    file: 'src/issue.ts',
    find: 'const why = refusedForGood(save.reason);\n      if (delivered) return',
    replace: 'const why = refusedForGood(save.reason);\n      if (false) return',
    caughtBy: { file: ROW, test: 'what was delivered goes into quarantine at once' },
  },
  {
    defect: 'a refused row is told not_eligible before the word of Redis',
    file: 'src/issue.ts',
    find: '  attempt.reserved = null;\n  const answer = await serving.held(reservation).release(reservation);',
    replace:
      "  attempt.reserved = null;\n  const answer = await serving.held(reservation).release(reservation).catch(() => ({ word: 'released' }) as { word: 'released' });",
    caughtBy: { file: ROW, test: 'not_eligible is told only after the word of Redis' },
  },
  {
    defect: 'what will never be accepted is delivered and tried once more before its quarantine',
    file: 'src/told.ts',
    find: '...(finished && { finished })',
    replace: '',
    caughtBy: { file: ROW, test: 'what was delivered goes into quarantine at once' },
  },
  {
    defect: 'any text is told to clients as a reason',
    file: 'src/answers.ts',
    find: 'return textFault(value) === null && !/\\p{Cc}/u.test(value as string)',
    replace: "return typeof value === 'string'",
    caughtBy: { file: ROW, test: 'with a reason of two lines' },
  },
  {
    defect: 'a refused row is an error that clients repeat',
    file: 'src/told.ts',
    find: 'if (carried.why.reason !== undefined) {',
    replace: 'if (false) {',
    caughtBy: { file: ROW, test: 'a user whose row the database refuses is told not_eligible' },
  },
  {
    defect: 'a row of another user is taken for the one in the way',
    file: 'src/answers.ts',
    find: ' || row.userId !== issuance.userId || row.grant > perUser) return false',
    replace: ' || row.grant > perUser) return false',
    caughtBy: { file: SAVE, test: 'a conflict with a row of this id under another user' },
  },
  {
    defect: 'a row of another campaign is taken for the one in the way',
    file: 'src/answers.ts',
    find: 'row.campaignId !== issuance.campaignId || row.userId !== issuance.userId',
    replace: 'row.userId !== issuance.userId',
    caughtBy: { file: SAVE, test: 'a conflict with a row of another campaign' },
  },
  {
    defect: 'a row of any of the grants of a user is taken for the one in the way',
    file: 'src/answers.ts',
    find: 'return row.id === issuance.id || row.grant === issuance.grant',
    replace: 'return true',
    caughtBy: { file: SAVE, test: 'a conflict with a row of another grant and another id' },
  },
  {
    defect: 'a row of a grant that the campaign does not have is written to Redis',
    file: 'src/answers.ts',
    find: ' || row.grant > perUser',
    replace: '',
    caughtBy: { file: SAVE, test: 'a conflict with a row of a grant beyond perUser' },
  },
  {
    defect: 'a row of a serial below 1 breaks the books',
    file: 'src/issuance.ts',
    find: 'return Number.isInteger(value) && (value as number) >= 1',
    replace: 'return Number.isInteger(value)',
    caughtBy: { file: UNTRUE, test: 'of a serial below 0' },
  },
  {
    defect: 'a row with a code that no campaign can have is written to Redis',
    file: 'src/issuance.ts',
    find: '(code === null || textFault(code) === null)',
    replace: "(code === null || typeof code === 'string')",
    caughtBy: { file: UNTRUE, test: 'of a code of 10,000 characters' },
  },
  {
    defect: 'the row that an adapter gave is used, and not a copy of it',
    file: 'src/answers.ts',
    find: '{ verdict, existing: row } :',
    replace: '{ verdict, existing: existing as Issuance } :',
    caughtBy: { file: SAVE, test: 'what an adapter changes in its verdicts after it answered' },
  },
  {
    defect: 'an array that an adapter emptied is saved again',
    file: 'src/save.ts',
    find: '  const issuances = requests.map(({ issuance }) => issuance);\n  const saved',
    replace:
      '  const kept = requests as { list?: never[] };\n  kept.list ??= requests.map(({ issuance }) => issuance) as never[];\n  const issuances = kept.list;\n  const saved',
    caughtBy: { file: SAVE, test: 'an adapter that takes its argument apart' },
  },
  {
    defect: 'rows of another campaign are listed into this one',
    file: 'src/list.ts',
    find: ' || row.campaignId !== campaignId',
    replace: '',
    caughtBy: { file: LISTING, test: 'rows that an adapter lists of another campaign' },
  },
  {
    defect: 'more rows than were asked for are believed',
    file: 'src/list.ts',
    find: ' || rows.length === limit',
    replace: '',
    caughtBy: { file: LISTING, test: 'in greater number than they were asked for' },
  },
  {
    defect: 'a row that find was not asked about is believed',
    file: 'src/answers.ts',
    find: 'if (row?.id !== id || row.campaignId !== campaignId || row.userId !== userId)',
    replace: 'if (!row)',
    caughtBy: { file: UNTRUE, test: 'a find that answers a row of another id' },
  },
  {
    defect: 'each half of a refused batch is told',
    file: 'src/save.ts',
    find: '  const before = faults.count;\n',
    replace: '  const before = faults.count;\n  faults.unknown(error, requests.map(({ issuance }) => issuance));\n',
    caughtBy: { file: SAVE, test: 'a row that is refused is told in one event' },
  },
  {
    defect: 'parts of a batch that fail alike are told one by one',
    file: 'src/save-faults.ts',
    find: 'const alike = this.#failed.get(safe.message);',
    replace: 'const alike = this.#failed.get(String(this.count));',
    caughtBy: { file: SAVE, test: 'also where the halves fail alike' },
  },
  {
    defect: 'a batch that is refused though its parts are not is passed over in silence',
    file: 'src/save.ts',
    find: 'if (faults.count === before)',
    replace: 'if (false)',
    caughtBy: { file: SAVE, test: 'a batch that is refused though its parts are not' },
  },
  {
    defect: 'the name of a constraint prints a code',
    file: 'src/errors.ts',
    find: ' && redacted(new Error(name), secrets).message === name',
    replace: '',
    caughtBy: { file: SAVE, test: 'the code where the name quotes a coupon' },
  },
  {
    defect: 'a fault of many campaigns is told of the first',
    file: 'src/save-faults.ts',
    find: 'campaignIds.length === 1 ?',
    replace: 'campaignIds.length > 0 ?',
    caughtBy: { file: SAVE, test: 'a fault of a batch that mixes campaigns' },
  },
];
