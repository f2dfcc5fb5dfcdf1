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
  {
    defect: 'a call whose Redis does not answer waits a second time, for what it can do without',
    file: 'src/redis/admin.ts',
    find: "if (error instanceof RedisError && (error.cause as Error | undefined)?.name === 'ReplyError') return",
    replace: 'if (error instanceof RedisError) return',
    caughtBy: { file: 'test/unit/messages.test.ts', test: 'open waits once, and says that Redis is away' },
  },
  {
    defect: 'a fault of Redis names no method',
    file: 'src/in-flight.ts',
    find: '      throw inCall(operation, error);',
    replace: '      if (operation) throw error;',
    caughtBy: {
      file: 'test/unit/messages.test.ts',
      test: 'restock names itself, and no script, when the client fails',
    },
  },
  {
    defect: 'a fault of Redis in issue() names no method',
    file: 'src/attempts.ts',
    find: "      throw inCall('issue', error);",
    replace: '      throw error;',
    caughtBy: { file: 'test/unit/messages.test.ts', test: 'issue names itself, and no script, when the client fails' },
  },
  {
    defect: 'a call that was never sent, because Redis is away, blames its queue',
    file: 'src/redis/runner.ts',
    find: "if (status === undefined || status === 'ready') return",
    replace: "if (status !== '') return",
    caughtBy: { file: 'test/unit/flight.test.ts', test: 'a call whose Redis is away says so' },
  },
  {
    defect: 'two definitions differ in milliseconds',
    file: 'src/campaign.ts',
    find: "  if (name.endsWith('At') && typeof value === 'number') return new Date(value).toISOString();\n",
    replace: '',
    caughtBy: { file: 'test/unit/messages.test.ts', test: 'instants that differ are told as people read them' },
  },
  {
    defect: 'an option does not take undefined, so a config with exactOptionalPropertyTypes does not compile',
    file: 'src/options.ts',
    find: '  readonly maxTries?: number | undefined;',
    replace: '  readonly maxTries?: number;',
    caughtBy: {
      file: 'test/types/optional.test.ts',
      test: 'every optional property that a user may write takes undefined',
    },
  },
];
