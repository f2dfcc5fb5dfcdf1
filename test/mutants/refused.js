const SAVE = 'test/unit/save.test.ts';
const UNTRUE = 'test/fault/untrue-answers.test.ts';
const LISTING = 'test/integration/listing.test.ts';

/** What an adapter or a hook says and does: checked before it counts, read once, and told once. */
export const REFUSED = [
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
