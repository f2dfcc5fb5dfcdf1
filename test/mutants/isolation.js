const signals = (test) => ({ file: 'test/unit/abort-group.test.ts', test });

const lanes = (test) => ({ file: 'test/unit/save-lanes.test.ts', test });
const deliveries = (test) => ({ file: 'test/unit/deliver.test.ts', test });

const presence = (test) => ({ file: 'test/waiting-room/presence.test.ts', test });

/** What keeps the calls and campaigns of one process from harming each other, and how they are watched. */
export const ISOLATION = [
  {
    defect: 'a campaign whose statements fail as a whole takes those along that share its batch',
    file: 'src/issue/save-lanes.ts',
    find: ` || (outcome.verdict === 'not_saved' && outcome.refusal === 'no')`,
    replace: '',
    caughtBy: lanes('campaigns whose batch failed as a whole go alone'),
  },
  {
    defect: 'each call listens to the signal by itself',
    file: 'src/flow/abort-group.ts',
    find: 'groups.get(signal) ?? listenTo(signal)',
    replace: 'listenTo(signal)',
    caughtBy: signals('a signal that many calls share has one listener'),
  },
  {
    defect: 'a listener stays on the signal after the last call has ended',
    file: 'src/flow/abort-group.ts',
    find: 'if (group.ends.size === 0) forget(signal, group);',
    replace: '',
    caughtBy: signals('once every call has ended, nothing listens to the signal'),
  },
  {
    defect: 'a call that is forgotten twice takes the listener of later calls along',
    file: 'src/flow/abort-group.ts',
    find: 'if (groups.get(signal) !== group) return;',
    replace: '',
    caughtBy: signals('a call that is forgotten twice leaves the later calls on one listener'),
  },
  {
    defect: 'a call of issue() goes on listening to its signal after the answer',
    file: 'src/issue/shared-call.ts',
    find: '      forgetSignal();\n',
    replace: '',
    caughtBy: {
      file: 'test/integration/signals.test.ts',
      test: 'one signal for all calls, streams and workers of a process has one listener',
    },
  },
  {
    defect: 'a stream of events gives text, which no web Response takes',
    file: 'src/waiting-room/server-sent-events.ts',
    find: '    read() {',
    replace: "    encoding: 'utf8',\n    read() {",
    caughtBy: {
      file: 'test/waiting-room/event-streams.test.ts',
      test: 'the stream is bytes, each event in one piece',
    },
  },
  {
    defect: 'a campaign whose saves hang is not set apart',
    file: 'src/issue/save-lanes.ts',
    find: 'if (sick.has(campaignId)) this.#setApart(campaignId);',
    replace: 'if (sick.has(campaignId)) continue;',
    caughtBy: lanes('a campaign whose batch ended unknown goes alone'),
  },
  {
    defect: 'a campaign that came through stays set apart',
    file: 'src/issue/save-lanes.ts',
    find: 'if (lane) this.#share(lane);',
    replace: '',
    caughtBy: lanes('once a batch of its own comes through, a campaign shares batches again'),
  },
  {
    defect: 'sick campaigns take the last place',
    file: 'src/issue/save-lanes.ts',
    find: 'this.#lanesOut === maxInFlight - 1 || ',
    replace: '',
    caughtBy: lanes('however many campaigns are sick, one place is left to the others'),
  },
  {
    defect: 'sick campaigns take places that the shared batches use too',
    file: 'src/issue/save-lanes.ts',
    find: 'this.#shared.limit(maxInFlight - this.#lanesOut);',
    replace: '',
    caughtBy: lanes('under load a sick campaign has its turn, and no more batches are out than there are places'),
  },
  {
    defect: 'under load the shared batches take the place that a sick campaign waits for',
    file: 'src/flow/batcher.ts',
    find: '    this.#options.freed?.();\n    this.#scheduleAfterAnswers();',
    replace: '    this.#sendAll();\n    this.#options.freed?.();',
    caughtBy: lanes('under load a sick campaign has its turn, and no more batches are out than there are places'),
  },
  {
    defect: 'a batch of its own leaves while a shared one with rows of the campaign hangs',
    file: 'src/issue/save-lanes.ts',
    find: ' && ![...this.#sharing].some((campaigns) => campaigns.has(campaignId))',
    replace: '',
    caughtBy: lanes('a campaign whose batch ended unknown goes alone'),
  },
  {
    defect: 'of the suspects of a batch the sick one may go first',
    file: 'src/issue/save-lanes.ts',
    find: ' || cameThrough(b) - cameThrough(a)',
    replace: '',
    caughtBy: lanes('of the suspects of a shared batch those that came through last go first'),
  },
  {
    defect: 'rows whose time ran out are sent all the same',
    file: 'src/issue/save-lanes.ts',
    find: 'if (deadlineAt - monotonicMs() < 1) return requests.map(() => UNKNOWN);',
    replace: '',
    caughtBy: lanes('rows whose time ran out in the queue are not sent'),
  },
  {
    defect: 'a sick campaign whose rows pile up takes the room of all',
    file: 'src/issue/save-lanes.ts',
    find: '    const soon = batcher.capacity();',
    replace:
      '    const all = [this.#shared, ...[...this.#lanes.values()].map((lane) => lane.batcher)];\n    const soon = all.map((one) => one.capacity()).find((wait) => wait !== null) ?? null;',
    caughtBy: lanes('the rows of a sick campaign that pile up leave capacity for those of others'),
  },
  {
    defect: 'campaigns that were set apart are remembered for ever',
    file: 'src/issue/save-lanes.ts',
    find: 'if (this.#lanes.size >= MOST_REMEMBERED) this.#forgetOne();',
    replace: '',
    caughtBy: lanes('campaigns that are set apart and never heard of again are forgotten beyond a thousand'),
  },
  {
    defect: 'a slow campaign takes every place of the deliveries',
    file: 'src/issue/deliver.ts',
    find: ' || (isLast && share.running > 0)',
    replace: '',
    caughtBy: deliveries('a campaign alone has every place but the last'),
  },
  {
    defect: 'a free place of the deliveries goes to whoever came first',
    file: 'src/issue/deliver.ts',
    find: 'if (!next || share.running < next.running) next = share;',
    replace: 'next ??= share;',
    caughtBy: deliveries('while another campaign waits none gets beyond half of the places'),
  },
  {
    defect: 'the sweep does not wait for those who watch',
    file: 'lua/include/absence.lua',
    find: 'watchedSince() - 2 * presenceMs',
    replace: 'nowMs - 2 * presenceMs',
    caughtBy: presence('however long a later round takes, nobody who is watched for loses a place'),
  },
  {
    defect: 'before its first round is over, a process that watches keeps nobody',
    file: 'src/waiting-room/watch-round.ts',
    find: 'this.#round = { watcher: this.#id, since: 0,',
    replace: 'this.#round = { watcher: this.#id, since: Date.now(),',
    caughtBy: presence('while the first round of looks is under way nobody who is watched for loses a place'),
  },
  {
    defect: 'the sweep waits for one of the processes that watch, not for the slowest',
    file: 'lua/include/watchers.lua',
    find: 'earliest = math.min(earliest, tonumber(from))',
    replace: 'earliest = tonumber(from)',
    caughtBy: presence('a process that watches and is slow keeps its users, beside one that is fast'),
  },
  {
    defect: 'a process that died while it watched holds the sweep for ever',
    file: 'lua/include/watchers.lua',
    find: '    if tonumber(to) > nowMs then earliest',
    replace: '    if true then earliest',
    caughtBy: presence('a process that died while it watched is forgotten'),
  },
  {
    defect: 'a process that watches nobody any more does not say so',
    file: 'src/waiting-room/watch-round.ts',
    find: 'if (keepsPresence) await this.#parts.track(this.#stop());',
    replace: '',
    caughtBy: presence('a process that watches nobody any more says so'),
  },
  {
    defect: 'who begins to watch and could not be looked for is taken for seen',
    file: 'src/waiting-room/watch-round.ts',
    find: 'if (failed) this.#round.since = this.#round.earliest = 0;',
    replace: '',
    caughtBy: presence('who begins to watch and could not be looked for is kept until a round is over'),
  },
  {
    defect: 'a round of looks is queued as a whole, before everybody who asks for their status',
    file: 'src/waiting-room/watch-round.ts',
    find: 'const LOOKS_AT_A_TIME = 1_000;',
    replace: 'const LOOKS_AT_A_TIME = 1_000_000;',
    caughtBy: presence('a status is asked for between the looks of a round'),
  },
  {
    defect: 'closing the issuer leaves the event streams open',
    file: 'src/core.ts',
    find: '    this.room.close();\n',
    replace: '',
    caughtBy: { file: 'test/integration/closing.test.ts', test: 'a stream ends when the issuer closes' },
  },
  {
    defect: 'a worker waits for every campaign before it looks again',
    file: 'src/worker/worker.ts',
    find: '      this.#begin();\n',
    replace: '      this.#begin();\n      await Promise.all(this.#visited.values());\n',
    caughtBy: {
      file: 'test/integration/isolation.test.ts',
      test: 'a worker whose settling of one campaign hangs goes on with the others',
    },
  },
];
