const named = (test) => ({ file: 'test/doctor/diagnose.test.ts', test });
const ofMasters = (test) => ({ file: 'test/doctor/masters.test.ts', test });

/** The look at a set-up before the night. */
export const DOCTOR = [
  {
    defect: 'a Redis that lost every campaign is fine',
    file: 'src/doctor/campaigns.ts',
    find: 'if (ids.length === 0)',
    replace: 'if (ids)',
    caughtBy: named('a Redis that lost everything'),
  },
  {
    defect: 'a server that may evict keys is fine',
    file: 'src/doctor/redis.ts',
    find: "policy === 'noeviction'",
    replace: "policy !== ''",
    caughtBy: named('a Redis that may evict keys'),
  },
  {
    defect: 'a server without an append-only file is fine',
    file: 'src/doctor/redis.ts',
    find: "      appendOnly === '1',\n",
    replace: "      appendOnly !== '',\n",
    caughtBy: named('a Redis without an append-only file'),
  },
  {
    defect: 'a listener of commands is not seen',
    file: 'src/redis/ioredis.ts',
    find: "['start', 'asyncEnd', 'error'].some((event)",
    replace: "['asyncEnd', 'error'].some((event)",
    caughtBy: named('a listener in this process that reads the arguments of commands'),
  },
  {
    defect: 'the clock of Redis is not compared',
    file: 'src/doctor/clock.ts',
    find: 'Math.abs(ahead) <= FAR_MS',
    replace: 'ahead <= FAR_MS',
    caughtBy: named('a clock that is off'),
  },
  {
    defect: 'a campaign that ended needs a worker',
    file: 'src/doctor/campaigns.ts',
    find: "backlog || (!closedAt && state !== 'closed')",
    replace: 'true || backlog || closedAt || state',
    caughtBy: named('no worker'),
  },
  {
    defect: 'a fault that a worker recovered from is a finding, and one that lasts is none',
    file: 'src/doctor/campaigns.ts',
    find: 'lastFault.at > (succeededAt ?? 0)',
    replace: 'lastFault.at < (succeededAt ?? 0)',
    caughtBy: named('workers that fail, and workers of several versions'),
  },
  {
    defect: 'the hooks and the database of a campaign are not compared',
    file: 'src/doctor/campaigns.ts',
    find: '    await equip(id);\n',
    replace: '',
    caughtBy: named('a campaign of another database'),
  },
  {
    defect: 'one part that cannot be asked ends the whole look',
    file: 'src/doctor/diagnosis.ts',
    find: "    return [finding(check, 'unknown', toldOf(error), cure)];",
    replace: '    throw error;',
    caughtBy: named('a Redis user that may not ask for the settings of the server'),
  },
  {
    defect: 'the command ends with 3 where a check could not run',
    file: 'src/cli/commands/doctor.ts',
    find: "verdict === 'unknown')) return EXIT.fault;",
    replace: "verdict === 'unknown')) return EXIT.findings;",
    caughtBy: named('ends with 1 where a check could not run, and shows no password'),
  },
  {
    defect: 'an instrumentation around the client is not seen',
    file: 'src/redis/ioredis.ts',
    find: 'sendCommand?.__wrapped === true',
    replace: 'sendCommand === undefined',
    caughtBy: {
      file: 'test/telemetry/traces-of-redis.test.ts',
      test: 'puts users, codes and data into db.query.text by its defaults',
    },
  },
  {
    defect: 'of a Cluster one master alone is looked at',
    file: 'src/redis/server-facts.ts',
    find: "masters ? namesOnEach(masters, prefix) : ['/0']",
    replace: "['/0']",
    caughtBy: ofMasters('each master of a Cluster is asked for its settings'),
  },
  {
    defect: 'a master that gives no answer is passed over',
    file: 'src/doctor/redis.ts',
    find: 'if (answers.length === masters) return found;',
    replace: 'if (answers.length > 0) return found;',
    caughtBy: ofMasters('a master of a Cluster that is away is counted'),
  },
  {
    defect: 'a master that is away hides the others',
    file: 'src/redis/server-facts.ts',
    find: 'else fault ??= result.reason;',
    replace: 'else throw result.reason;',
    caughtBy: ofMasters('a master of a Cluster that is away is counted'),
  },
  {
    defect: 'a master with few slots is not found',
    file: 'src/redis/server-facts.ts',
    find: 'n < MOST_KEYS &&',
    replace: 'n < 32 &&',
    caughtBy: ofMasters('a master of a single slot is asked too'),
  },
];
