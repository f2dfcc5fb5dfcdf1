const seen = (test) => ({ file: 'test/integration/workers.test.ts', test });

/** Workers that tell of themselves. */
export const WORKERS = [
  {
    defect: 'a silent worker stays in Redis',
    file: 'lua/registry/note-worker.lua',
    find: 'tonumber(seenAt) + 10.0 * tonumber(every) < nowMs',
    replace: 'false',
    caughtBy: seen('finds the silent ones in turn'),
  },
  {
    defect: 'each note begins its look at the first worker',
    file: 'lua/registry/note-worker.lua',
    find: "'HSCAN', workersKey, cursor,",
    replace: "'HSCAN', workersKey, '0',",
    caughtBy: seen('finds the silent ones in turn'),
  },
  {
    defect: 'a silent worker is listed',
    file: 'src/redis/workers.ts',
    find: 'worker.intervalMs >= Number(nowMs)',
    replace: 'worker.intervalMs >= 0',
    caughtBy: seen('a worker that was silent for ten of its intervals is not listed'),
  },
  {
    defect: 'a worker of some campaigns says that it looks after all',
    file: 'src/worker/presence.ts',
    find: 'this.#options.campaigns ?? null',
    replace: 'null',
    caughtBy: seen('a worker says which campaigns it was told to look after'),
  },
  {
    defect: 'a list of campaigns of any length is told each interval',
    file: 'src/redis/workers.ts',
    find: 'campaigns && campaigns.length <= MOST_CAMPAIGNS ?',
    replace: 'campaigns ?',
    caughtBy: seen('unless they are more than 100'),
  },
  {
    defect: 'a worker says nothing of a campaign that nobody opened',
    file: 'src/worker/visit.ts',
    find: 'if (error instanceof UnknownCampaignError) this.#worker.failed(schedule.id, error);',
    replace: 'if (error instanceof UnknownCampaignError) return;',
    caughtBy: { file: 'test/integration/recovery.test.ts', test: 'when a campaign was purged, or is yet to be opened' },
  },
  {
    defect: 'a campaign that nobody opened is told at each look',
    file: 'src/worker/faults.ts',
    find: ' || error instanceof UnknownCampaignError;',
    replace: ';',
    caughtBy: seen('a campaign that nobody opened is told once'),
  },
  {
    defect: 'a worker that was stopped is still there',
    file: 'src/worker/presence.ts',
    find: 'if (this.#isNoted) await',
    replace: 'if (!this.#isNoted) await',
    caughtBy: seen('a worker is seen with its facts, and is gone once it is stopped'),
  },
  {
    defect: 'the message of a fault is told to all processes',
    file: 'src/worker/presence.ts',
    find: 'errorType: errorTypeOf(error), at',
    replace: 'errorType: String(error), at',
    caughtBy: seen('a fault of a worker is told as a word, and no message of it is in Redis'),
  },
  {
    defect: 'a Redis that hangs gets note after note',
    file: 'src/worker/presence.ts',
    find: '    if (this.#noting) return;\n',
    replace: '',
    caughtBy: seen('nothing waits for a note, and only one is under way'),
  },
];
