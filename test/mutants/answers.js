const answer = (test) => ({ file: 'test/unit/http-answer.test.ts', test });

/** What a library says to its callers' callers: HTTP answers, verdicts, rows made by hand, names of arguments. */
export const ANSWERS = [
  {
    defect: 'an HTTP answer shows the message of any error with a code of ours',
    file: 'src/model/http-answer.ts',
    find: "isErrorNamed(error, 'InvalidArgumentError', ['argument'])",
    replace: 'true',
    caughtBy: answer('shows no message of another library that has the same code'),
  },
  {
    defect: 'an HTTP answer shows a message that may quote the caller',
    file: 'src/model/http-answer.ts',
    find: "return isOwn && typeof (error as { argument?: unknown }).argument === 'string' ?",
    replace: 'return isOwn ?',
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
    file: 'src/model/http-answer.ts',
    find: "CLOSED: ['shutting_down', 1]",
    replace: "CLOSED: ['closed', 1]",
    caughtBy: answer('with the code CLOSED is a problem'),
  },
  {
    defect: 'a user who asks where they stand is told that a coupon was made for it',
    file: 'src/model/http-status.ts',
    find: 'return standing ? 200 :',
    replace: 'return',
    caughtBy: answer("that is 'issued' is 200"),
  },
];
