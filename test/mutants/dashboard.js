const server = (test) => ({ file: 'test/dashboard/server.test.ts', test });

const live = (test) => ({ file: 'test/dashboard/live.test.ts', test });

/** What a reader, a page of another site, or a name that was bound to this server may do to the dashboard. */
export const DASHBOARD = [
  {
    defect: 'a reader pauses a campaign',
    file: 'src/dashboard/dashboard.ts',
    find: "if (change && user.role !== 'write') throw",
    replace: "if (change && user.name === '') throw",
    caughtBy: server('lets a reader read, and change nothing'),
  },
  {
    defect: 'an odd answer of authorize is a person',
    file: 'src/dashboard/gate.ts',
    find: "if ((role !== 'read' && role !== 'write') || !isReason(name)) {",
    replace: "if (typeof role !== 'string' || !isReason(name)) {",
    caughtBy: server('takes a throw and an odd answer of authorize for a refusal'),
  },
  {
    defect: 'a promise of nobody is somebody',
    file: 'src/dashboard/gate.ts',
    find: "if (given === null) throw new HttpProblem(401, 'log in first');",
    replace: "if (given === null) return { role: 'read', name: 'nobody' };",
    caughtBy: server('answers nobody without a person, and asks Redis nothing'),
  },
  {
    defect: 'a page of another site needs no header of its own',
    file: 'src/dashboard/gate.ts',
    find: "if (header(CSRF_HEADER) !== 'dashboard') throw",
    replace: "if (header(CSRF_HEADER) === 'other') throw",
    caughtBy: server('refuses a page of another site, and tells no audit of it'),
  },
  {
    defect: 'a page of another origin may ask',
    file: 'src/dashboard/gate.ts',
    find: 'if (!isOwn) throw',
    replace: "if (!isOwn && origin === '') throw",
    caughtBy: server('refuses a page of another site, and tells no audit of it'),
  },
  {
    defect: 'a name that was bound to the server later is answered',
    file: 'src/dashboard/gate.ts',
    find: 'if (hosts && !hosts.has(asked)) throw',
    replace: "if (hosts && asked === '') throw",
    caughtBy: server('answers the hosts that are named'),
  },
  {
    defect: 'a change that failed is not told',
    file: 'src/dashboard/dashboard.ts',
    find: "isTold = codeOf(error) !== 'INVALID_ARGUMENT';",
    replace: 'isTold = false;',
    caughtBy: server('makes each change of an operator, and tells it with the name'),
  },
  {
    defect: 'a code stands on the page',
    file: 'src/dashboard/verbs.ts',
    find: 'return code === null ? null : maskedCode(code);',
    replace: 'return code;',
    caughtBy: server('finds a user, a unit and a code, and shows no code'),
  },
  {
    defect: 'each open page reads every campaign',
    file: 'src/dashboard/overview.ts',
    find: 'if (!this.#last || now - this.#last.began > FRESH_MS) {',
    replace: 'if (!this.#last || now - this.#last.began >= 0) {',
    caughtBy: server('many pages read the list of campaigns once'),
  },
  {
    defect: 'a comparison that ended keeps the next one from its start',
    file: 'src/dashboard/reconciling.ts',
    find: 'this.#isRunning = false;',
    replace: '',
    caughtBy: server('compares with the database, step by step'),
  },
  {
    defect: 'numbers of another issuer of the process stand on the page',
    file: 'src/dashboard/live.ts',
    find: 'else if (message.issuerId === issuerId)',
    replace: "else if (message.issuerId !== '')",
    caughtBy: live('another issuer of the process adds nothing, even under the same prefix'),
  },
  {
    defect: 'a crowd of campaigns makes a crowd of numbers',
    file: 'src/dashboard/live.ts',
    find: 'if (!found && this.#campaigns.size < MOST_CAMPAIGNS) {',
    replace: 'if (!found) {',
    caughtBy: live('a thousand campaigns are counted, and a later one says that it is not'),
  },
  {
    defect: 'a dashboard that nobody holds goes on listening',
    file: 'src/dashboard/live.ts',
    find: 'if (!own) end();',
    replace: 'if (!own) return;',
    caughtBy: live('nothing listens without a dashboard, nor after one that nobody holds'),
  },
  {
    defect: 'rows of events pile up',
    file: 'src/dashboard/live.ts',
    find: 'if (this.#rows.length <= this.#most) return;',
    replace: 'if (this.#rows.length >= 0) return;',
    caughtBy: live('a crowd of buyers pushes no fault out, and rows are bounded, the newest first'),
  },
  {
    defect: 'a crowd of buyers fills the list of events',
    file: 'src/dashboard/live.ts',
    find: 'if (last && at - last.from < ROW_MS) {',
    replace: 'if (last && at < last.from) {',
    caughtBy: live('a crowd of buyers pushes no fault out, and rows are bounded, the newest first'),
  },
  {
    defect: 'a change that failed stands among the events as made',
    file: 'src/dashboard/live.ts',
    find: 'return done === false ?',
    replace: 'return done === null ?',
    caughtBy: live('a fault is a row with its step and its kind, and without a word of its text'),
  },
];
