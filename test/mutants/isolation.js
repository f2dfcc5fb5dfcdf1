const signals = (test) => ({ file: 'test/unit/abort-group.test.ts', test });

/** What keeps the calls and campaigns of one process from harming each other, and how they are watched. */
export const ISOLATION = [
  {
    defect: 'each call listens to the signal by itself',
    file: 'src/abort-group.ts',
    find: 'groups.get(signal) ?? listenTo(signal)',
    replace: 'listenTo(signal)',
    caughtBy: signals('a signal that many calls share has one listener'),
  },
  {
    defect: 'a listener stays on the signal after the last call has ended',
    file: 'src/abort-group.ts',
    find: 'if (group.ends.size === 0) forget(signal, group);',
    replace: '',
    caughtBy: signals('once every call has ended, nothing listens to the signal'),
  },
  {
    defect: 'a call that is forgotten twice takes the listener of later calls along',
    file: 'src/abort-group.ts',
    find: 'if (groups.get(signal) !== group) return;',
    replace: '',
    caughtBy: signals('a call that is forgotten twice leaves the later calls on one listener'),
  },
  {
    defect: 'a call of issue() goes on listening to its signal after the answer',
    file: 'src/flight.ts',
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
];
