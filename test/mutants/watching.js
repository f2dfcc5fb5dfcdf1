const streams = (test) => ({ file: 'test/waiting-room/event-streams.test.ts', test });

/** What a process leaves behind when nobody watches any more. */
export const WATCHING = [
  {
    defect: 'a change for which data returns nothing is sent as undefined',
    file: 'src/waiting-room/server-sent-events.ts',
    find: 'eventOf(sent(data(value)))',
    replace: 'eventOf(data(value))',
    caughtBy: streams('a change for which data returns nothing ends the stream'),
  },
  {
    defect: 'a stream of events outlives a reader that read nothing',
    file: 'src/waiting-room/server-sent-events.ts',
    find: "if (stream.listenerCount('readable') === 0) stream.destroy();",
    replace: '',
    caughtBy: streams('cancelled before anything is read'),
  },
];
