const traced = (test) => ({ file: 'test/integration/tracing.test.ts', test });

/** The messages of the tracing channels. */
export const TRACING = [
  {
    defect: 'a unit counts as issued once more for each repeat',
    file: 'src/redis/reserve.ts',
    find: "answer.word === 'issued' && answer.isNew",
    replace: "answer.word === 'issued'",
    caughtBy: traced('count units that nothing is saved for at the reserve that issues them'),
  },
  {
    defect: 'a unit counts as issued once more when its lease had ended',
    file: 'src/redis/held.ts',
    find: "words.filter((word) => word === 'confirmed').length",
    replace: 'words.length',
    caughtBy: traced('tell every call with its answer, and each issued unit once'),
  },
  {
    defect: 'a message holds the error of its step',
    file: 'src/tracing/step-channel.ts',
    find: 'message.errorType = errorTypeOf(error);',
    replace: 'message.errorType = String(error);',
    caughtBy: traced('tell a save that failed by the kind of its error alone'),
  },
  {
    defect: 'an event of the channel names its user',
    file: 'src/tracing/channels.ts',
    find: '  return { type, campaignId, count, ...(reason && { reason }) };',
    replace: '  return { ...event, type, campaignId, count, ...(reason && { reason }) };',
    caughtBy: traced('hold no user, no code, no id of a request and no data'),
  },
  {
    defect: 'a batch does not name its calls',
    file: 'src/tracing/channels.ts',
    find: 'ISSUE.isHeard ? of.flatMap',
    replace: '!ISSUE.isHeard ? of.flatMap',
    caughtBy: traced('name the calls behind each batch'),
  },
  {
    defect: 'a takeover of the channel leaves its stores behind',
    file: 'src/tracing/step-channel.ts',
    find: 'return start.runStores(message, () => {',
    replace: 'start.publish(message);\n    return ((work: () => Promise<T>) => work())(() => {',
    caughtBy: traced('a store that follows the channel of calls is there within the call'),
  },
  {
    defect: 'campaigns that nobody can read while Redis is away are told as not ready',
    file: 'src/telemetry/observe.ts',
    find: 'throw first.reason;',
    replace: 'void first.reason;',
    caughtBy: {
      file: 'test/telemetry/telemetry.test.ts',
      test: 'lose their gauges, and not the scrape, while Redis is away, with 1 labels',
    },
  },
];
