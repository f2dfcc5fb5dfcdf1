const answer = (test) => ({ file: 'test/unit/http-answer.test.ts', test });

const verdict = (test) => ({ file: 'test/unit/verdict.test.ts', test });
const given = (test) => ({ file: 'test/unit/issuance-of.test.ts', test });

/** What a library says to its callers' callers: HTTP answers, verdicts, rows made by hand, names of arguments. */
export const ANSWERS = [
  {
    defect: 'a reason of eligible has any length',
    file: 'src/issue/eligibility.ts',
    find: '!isReason(reason)',
    replace: "typeof reason !== 'string'",
    caughtBy: {
      file: 'test/integration/campaign.test.ts',
      test: 'a reason of the own rule that no client can be told',
    },
  },
  {
    defect: 'a fault of the database is blamed on Redis',
    file: 'src/model/problems.ts',
    find: "PERSISTENCE: ['persistence', 1]",
    replace: "PERSISTENCE: ['redis', 1]",
    caughtBy: answer('with the code PERSISTENCE is a problem without a word of its message'),
  },
  {
    defect: 'an answer does not say whether the database changed a coupon',
    file: 'src/model/http-answer.ts',
    find: "    case 'persistence':\n",
    replace: '',
    caughtBy: answer('with the code PERSISTENCE is a problem without a word of its message'),
  },
  {
    defect: 'a place in a line that is not drawn yet is a 500',
    file: 'src/model/http-answer.ts',
    find: "part('position') === null || ",
    replace: '',
    caughtBy: answer("that is 'waiting' is 202 with its fields as JSON"),
  },
  {
    defect: 'an HTTP answer shows a message that may quote the caller',
    file: 'src/model/http-answer.ts',
    find: "return typeof part('argument') === 'string' ?",
    replace: 'return true ?',
    caughtBy: answer('with the code INVALID_ARGUMENT is a problem without a word of its message'),
  },
  {
    defect: 'an HTTP answer shows the code of a coupon that is not committed',
    file: 'src/model/http-answer.ts',
    find: "issuance.state === 'issued' ? issuance : withoutCode(issuance)",
    replace: 'issuance',
    caughtBy: answer('shows no code while the row of it is not committed'),
  },
  {
    defect: 'a campaign that is not open yet is to be asked again before it opens',
    file: 'src/model/http-answer.ts',
    find: 'Math.ceil(Number(ms) / 1000)',
    replace: 'Math.floor(Number(ms) / 1000)',
    caughtBy: answer("that is 'not_open' is a problem"),
  },
  {
    defect: 'a shutdown of the process has the name of a campaign that is over',
    file: 'src/model/problems.ts',
    find: "CLOSED: ['shutting_down', 1]",
    replace: "CLOSED: ['closed', 1]",
    caughtBy: answer('with the code CLOSED is a problem'),
  },
  {
    defect: 'an error of another library is answered by its code',
    file: 'src/model/http-status.ts',
    find: 'if (isFault && read(',
    replace: 'if (!isFault && read(',
    caughtBy: answer('of another library that has the same code'),
  },
  {
    defect: 'a user who asks where they stand is told that a coupon was made for it',
    file: 'src/model/http-status.ts',
    find: 'return standing ? 200 :',
    replace: 'return',
    caughtBy: answer("that is 'issued' is 200"),
  },
  {
    defect: 'a row of another campaign stands in the way',
    file: 'src/persistence/verdict.ts',
    find: '    if (row.campaignId !== campaignId) continue;\n',
    replace: '',
    caughtBy: verdict('the same row is one of another campaign'),
  },
  {
    defect: 'the serial of another user is told before the coupon of this one',
    file: 'src/persistence/verdict.ts',
    find: "  if (existing) return { verdict: 'user_conflict', existing };\n  if (inWay.serial) return { verdict: 'serial_conflict' };\n",
    replace:
      "  if (inWay.serial) return { verdict: 'serial_conflict' };\n  if (existing) return { verdict: 'user_conflict', existing };\n",
    caughtBy: verdict("where its serial and the user's grant are stored in two rows"),
  },
  {
    defect: 'two rows without a code have the same code',
    file: 'src/persistence/verdict.ts',
    find: 'code !== null && row.code === code',
    replace: 'row.code === code',
    caughtBy: verdict('is none where two rows have no code'),
  },
  {
    defect: 'a request id that is a number finds a coupon of before',
    file: 'src/model/issuance-of.ts',
    find: '?? `\\0$',
    replace: '?? `$',
    caughtBy: given('is what a call under the same request id finds, and no call without'),
  },
  {
    defect: 'a coupon of before counts as reserved',
    file: 'src/model/issuance-of.ts',
    find: "    state: 'issued',",
    replace: "    state: 'reserved',",
    caughtBy: given('has what was given'),
  },
  {
    defect: 'the verdicts on a batch overlook the grant of a user',
    file: 'src/persistence/verdict.ts',
    find: '}`, `grant',
    replace: '}`, `by chance ` + Math.random() + `grant',
    caughtBy: verdict('are the ones that each issuance gets alone'),
  },
  {
    defect: 'the verdicts on a batch look at all rows for each issuance',
    file: 'src/persistence/verdict.ts',
    find: 'keysOf(issuance).flatMap((key) => rowsBy.get(key) ?? []),',
    replace: 'rows,',
    caughtBy: verdict('look at each row a few times'),
  },
  {
    defect: 'a result that lost its coupon is answered as issued',
    file: 'src/model/http-answer.ts',
    find: 'if (isThere[word] === false)',
    replace: 'if (isThere[word] === null)',
    caughtBy: { file: 'test/unit/http-answer.test.ts', test: 'that lost a part on its way is none' },
  },
];
