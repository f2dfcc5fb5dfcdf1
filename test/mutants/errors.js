const foreign = (test) => ({ file: 'test/unit/foreign.test.ts', test });

/** What an error proves, and for whom; errors and values of other realms. */
export const ERRORS = [
  {
    defect: 'an error of another realm is none',
    file: 'src/errors.ts',
    find: "const source = isError(error) ? error : new Error('something",
    replace: "const source = error instanceof Error ? error : new Error('something",
    caughtBy: foreign('an error of another realm is told with its name'),
  },
  {
    defect: 'a proxy of an error is none, in this realm or another',
    file: 'src/foreign.ts',
    find: "return typeof name === 'string' &&",
    replace: "return typeof name === 'number' &&",
    caughtBy: foreign('a proxy of an error counts as the error'),
  },
  {
    defect: 'a promise of an adapter that cannot be read is believed',
    file: 'src/errors.ts',
    find: "'NotSavedError', ['wholeBatch', 'permanent'])",
    replace: "'NotSavedError')",
    caughtBy: foreign('an error whose promise cannot be read proves nothing'),
  },
  {
    defect: 'a date of another realm is none',
    file: 'src/foreign.ts',
    find: 'return types.isDate(value) &&',
    replace: 'return value instanceof Date &&',
    caughtBy: foreign('a date of another realm is a date'),
  },
  {
    defect: 'only a promise of this realm is heard when it rejects',
    file: 'src/events.ts',
    find: 'if (isThenable(returned))',
    replace: 'if (returned instanceof Promise)',
    caughtBy: foreign('an observer that rejects in another realm'),
  },
  {
    defect: 'a signal is anything with a flag',
    file: 'src/foreign.ts',
    find: "typeof aborted === 'boolean' && methods.every((method) => typeof method === 'function')",
    replace: "typeof aborted === 'boolean'",
    caughtBy: foreign('a signal counts by what it can do'),
  },
];
