/** Names, messages and instants as a user sees them. */
export const NAMES = [
  {
    defect: 'an error is named by its class, which a bundler renames',
    file: 'src/errors.ts',
    find: "giveName(NotReadyError, 'NotReadyError');",
    replace: 'giveName(NotReadyError, NotReadyError.name);',
    caughtBy: { file: 'test/unit/error-names.test.ts', test: 'an error of a minified bundle has its name' },
  },
  {
    defect: 'the name of an error is an instance property that its stack does not have',
    file: 'src/errors.ts',
    find: '  Object.defineProperty(errorClass.prototype, ',
    replace: '  if (name === "RedisError") return;\n  Object.defineProperty(errorClass.prototype, ',
    caughtBy: { file: 'test/unit/error-names.test.ts', test: 'an error of a minified bundle has its name' },
  },
  {
    defect: 'an error without a stack sets the limit of a frozen Error',
    file: 'src/errors.ts',
    find: "    Reflect.set(Error, 'stackTraceLimit', 0);",
    replace: '    Error.stackTraceLimit = 0;',
    caughtBy: { file: 'test/unit/error-names.test.ts', test: 'where Error and its prototype are frozen' },
  },
  {
    defect: 'the JSON of an event says nothing of its error',
    file: 'src/errors.ts',
    find: "  define('toJSON', () => (code === undefined ? { name, message } : { name, code, message }));\n",
    replace: '',
    caughtBy: { file: 'test/unit/error-names.test.ts', test: 'the JSON of an error in an event' },
  },
];
