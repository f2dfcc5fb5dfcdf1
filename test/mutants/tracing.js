const traced = (test) => ({ file: 'test/integration/tracing.test.ts', test });
const counted = (test) => ({ file: 'test/telemetry/telemetry.test.ts', test });

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
    caughtBy: counted('lose their gauges, and not the scrape, while Redis is away, with 1 labels'),
  },
  {
    defect: 'a call that changes a coupon is told by the batches alone',
    file: 'src/core.ts',
    find: 'if (!CHANGE.isHeard) return ask();',
    replace: 'if (!CHANGE.isHeard || this.#closed) return ask();',
    caughtBy: counted('count each redemption once by its end'),
  },
  {
    defect: 'a redemption that failed has no outcome',
    file: 'src/telemetry/record.ts',
    find: "if (message.verb === 'redeem') add(",
    replace: "if (message.verb === 'redeem' && message.status !== null) add(",
    caughtBy: counted('count each redemption once by its end'),
  },
  {
    defect: 'a redemption of a made-up campaign takes the place of a campaign',
    file: 'src/telemetry/record.ts',
    find: "'CLOSED', 'not_found']",
    replace: "'CLOSED']",
    caughtBy: counted('count each redemption once by its end'),
  },
  {
    defect: 'a call of issue() that comes after the close is not counted',
    file: 'src/core.ts',
    find: 'return this.#requests.issue(id, request);',
    replace: 'return this.#closed ? Promise.reject(closed()) : this.#requests.issue(id, request);',
    caughtBy: counted('count each redemption once by its end'),
  },
  {
    defect: 'an admission that fails later counts nobody',
    file: 'src/waiting-room/admission.ts',
    find: '  if (message) Object.assign(message,',
    replace: '  if (message && !answer.over) Object.assign(message,',
    caughtBy: counted('count the users of an admission whose later step failed'),
  },
  {
    defect: 'a step that fails before it has a size is not recorded',
    file: 'src/telemetry/record.ts',
    find: 'if (size === 0 && errorType === undefined) return;',
    replace: 'if (size === 0) return;',
    caughtBy: counted('count the users of an admission whose later step failed'),
  },
];
