const runner = (test) => ({ file: 'test/unit/runner.test.ts', test });
const rights = (test) => ({ file: 'test/fault/redis-rights.test.ts', test });
const tried = (test) => ({ file: 'test/lua/rights.test.ts', test });
const client = (test) => ({ file: 'test/unit/options.test.ts', test });
const compact = (test) => ({ file: 'test/fault/redis-compact.test.ts', test });
const listening = (test) => ({ file: 'test/waiting-room/subscription.test.ts', test });
const address = (test) => ({ file: 'test/fault/redis-address.test.ts', test });
const size = (test) => ({ file: 'test/fault/size.test.ts', test });

/** What a Redis grants and refuses: users with few rights, managed services, settings that were tuned, clients. */
export const RIGHTS = [
  {
    defect: 'grants of a compact hash are handed on at once',
    file: 'lua/scan-grants.lua',
    find: 'inPieces(seen)',
    replace: 'unpack(seen)',
    caughtBy: compact('a campaign is issued, settled, compared'),
  },
  {
    defect: 'campaigns of a compact registry are handed on at once',
    file: 'lua/list-campaigns.lua',
    find: 'inPieces(ids)',
    replace: '(unpack or table.unpack)(ids)',
    caughtBy: compact('a registry of any size'),
  },
  {
    defect: 'a connection that listens asks for INFO',
    file: 'src/redis/subscription.ts',
    find: '  enableReadyCheck: false,\n',
    replace: '',
    caughtBy: listening('ioredis 5 asks nothing on the connection that listens'),
  },
  {
    defect: 'subscriptions of a Cluster do not wait for the first one',
    file: 'src/redis/subscription.ts',
    find: 'this.#first ? this.#first.then(subscribe, subscribe)',
    replace: 'this.#first ? Promise.resolve(subscribe())',
    caughtBy: listening('the others wait for the first subscription'),
  },
  {
    defect: 'the refusal of an old master does not end its connection',
    file: 'test/support/fault-clients.ts',
    find: "error.message.includes('READONLY')",
    replace: 'false',
    caughtBy: address('leaves the old master after one refusal'),
  },
  {
    defect: 'what an old master refused is sent again by the client',
    file: 'test/support/fault-clients.ts',
    find: "(error: Error) => error.message.includes('READONLY')",
    replace: "(error: Error) => (error.message.includes('READONLY') ? 2 : false)",
    caughtBy: address('sends nothing twice'),
  },
  {
    defect: 'a pipeline is taken for a client',
    file: 'src/redis/fit.ts',
    find: 'shape.isPipeline === true',
    replace: 'shape.isPipeline === 1',
    caughtBy: client('a pipeline is refused by name'),
  },
  {
    defect: 'a client of another library is taken',
    file: 'src/redis/fit.ts',
    find: 'if (isFull && !ofIoredis)',
    replace: 'if (isFull && ofIoredis && redis === null)',
    caughtBy: client('a REST client is refused by name'),
  },
  {
    defect: 'a Cluster that groups scripts by their SHA1 is taken',
    file: 'src/redis/fit.ts',
    find: 'return one !== null && one === other;',
    replace: 'return one !== null && one !== other && one === method;',
    caughtBy: client('a Cluster of ioredis 5.4 with enableAutoPipelining is refused'),
  },
  {
    defect: 'every Cluster with enableAutoPipelining is refused',
    file: 'src/redis/fit.ts',
    find: 'return one !== null && one === other;',
    replace: 'return one !== null;',
    caughtBy: client('an instance of each version of ioredis'),
  },
  {
    defect: 'a client that gives no promise is told as a fault of Redis',
    file: 'src/redis/runner.ts',
    find: '      if (!isThenable(sent)) throw new InvalidArgumentError(WITHOUT_PROMISE);\n',
    replace: '',
    caughtBy: client('a wrapper that answers without a promise'),
  },
  {
    defect: 'a rebuild carries over ten times as many promises at once',
    file: 'src/redis/rebuilding.ts',
    find: 'const SCAN_CHUNK = 200',
    replace: 'const SCAN_CHUNK = 2_000',
    caughtBy: size('a counted campaign'),
  },
  {
    defect: 'a comparison reads ten times as many grants at once',
    file: 'src/redis/auditing.ts',
    find: 'const PAGE = 500',
    replace: 'const PAGE = 5_000',
    caughtBy: size('a rebuild from the rows of the database'),
  },
  {
    defect: 'every error reply of the server proves that a script wrote nothing',
    file: 'src/redis/runner.ts',
    find: ' && cameBeforeWriting(said)',
    replace: '',
    caughtBy: tried('a script that the server stops in the middle has written'),
  },
  {
    defect: 'a right that is missed within a script is taken for one that was missed before it',
    file: 'src/redis/server-errors.ts',
    find: '  if (FORBIDDEN_WITHIN.test(message)) return false;\n',
    replace: '',
    caughtBy: runner('a script may have written, so the outcome is unknown'),
  },
  {
    defect: 'what an error proves is read from its redacted message',
    file: 'src/redis/runner.ts',
    find: 'const said = messageOf(error);',
    replace: 'const said = messageOf(safe);',
    caughtBy: runner('what a user is called does not change what an error proves'),
  },
  {
    defect: 'a process writes without asking for the rights of its user',
    file: 'src/redis/campaign-state.ts',
    find: 'if (script.reads || rights.areThere)',
    replace: 'if (script.reads || rights)',
    caughtBy: rights('without the right to zadd, does no harm to a campaign that others opened'),
  },
  {
    defect: 'a campaign is registered before the rights of the user are known',
    file: 'src/open.ts',
    find: '  await context.rights.assert(state.keys, options.timeoutMs);\n',
    replace: '',
    caughtBy: rights('without the right to zadd nothing is opened and nothing is written'),
  },
  {
    defect: 'a missing right is remembered for good',
    file: 'src/redis/rights.ts',
    find: '      this.#asking = null;\n',
    replace: '',
    caughtBy: rights('and serves once it has the right'),
  },
  {
    defect: 'a command is not tried',
    file: 'lua/check-rights.lua',
    find: " 'HDEL f', 'PEXPIREAT 1',",
    replace: " 'PEXPIREAT 1',",
    caughtBy: tried('what the scripts are tried for is what they call'),
  },
  {
    defect: 'what is tried is left behind',
    file: 'lua/check-rights.lua',
    find: "'PEXPIREAT 1', 'UNLINK',",
    replace: "'PEXPIREAT 99999999999999',",
    caughtBy: tried('a user who may not run HDEL is found out'),
  },
  {
    defect: 'a user who may not publish is told with each announcement',
    file: 'src/waiting-room/announcer.ts',
    find: 'this.#isForbidden = isForbidden(error)',
    replace: "this.#isForbidden = isForbidden(error) && String(error).includes('NOPERM ')",
    caughtBy: rights('a user who may not publish, for want of the command, is told once'),
  },
  {
    defect: 'a user who may not subscribe is told for each channel',
    file: 'src/redis/subscription.ts',
    find: '    if (this.#isForbidden) return;\n',
    replace: '',
    caughtBy: rights('a user who may not subscribe is told once'),
  },
  {
    defect: 'watching waits for a right that does not come',
    file: 'src/waiting-room/watch.ts',
    find: ' && !isForbidden(error)',
    replace: '',
    caughtBy: rights('watching ends with the error where the user may not read'),
  },
  {
    defect: 'a worker tells a missing right at each of its looks',
    file: 'src/worker.ts',
    find: "if (message !== '' && this.#standing.get(campaignId) === message) return;",
    replace: '',
    caughtBy: rights('a worker tells a missing right once per campaign'),
  },
];
