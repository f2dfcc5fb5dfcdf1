const SERVERS = 'test/integration/changing-rows.test.ts';
const POSTGRES = 'src/persistence/postgres/change.ts';
const MYSQL = 'src/persistence/mysql/change.ts';
const QUEUE = 'src/redeem/changes.ts';
const TURN = 'src/redeem/turn.ts';
const inPostgres = (test) => ({ file: SERVERS, test: `in PostgreSQL ${test}` });
const inMariadb = (test) => ({ file: SERVERS, test: `in MariaDB ${test}` });
const contractOf = (database, test) => ({ file: `test/contract/${database}.test.ts`, test });
const inLoop = (test) => ({ file: 'test/unit/changes.test.ts', test });

const HELD = 'a batch leaves out the row that another transaction holds';
const TIME = 'the time of a change is the time of the database';
const END = 'a coupon is redeemed a millisecond before its end, and not at its end';
const ALONE = 'a change that is alone is never held';
const DENIED = 'a batch of which one statement is committed does not deny it';
const OTHER_VERSION = 'a change of another version changes nothing, and gives the row as it is';
const COUNTS_UP = 'a change of the right version is made as a whole, and counts up';
const NEIGHBOURS = 'verdicts come in the order asked, and one that is not made takes no other along';

/** Defects of a change on its way: the statements of both databases, and the loop that sends them. */
export const CHANGES = [
  {
    defect: 'a late copy of a change applies to a later version',
    file: POSTGRES,
    find: '`t.version = $',
    replace: '`t.version >= $',
    caughtBy: {
      file: 'test/fault/life-walk.test.ts',
      test: 'calls about few coupons, with late copies of their changes',
    },
  },
  {
    defect: 'PostgreSQL: the time of a change is of the clock of the process',
    file: POSTGRES,
    find: 'ELSE statement_timestamp() END',
    replace: "ELSE '` + new Date().toISOString() + `'::timestamptz END",
    caughtBy: inPostgres(TIME),
  },
  {
    defect: 'MySQL: the time of a change is of the clock of the process',
    file: MYSQL,
    find: "'t.state_at = IF(n.to_state IS NULL, t.state_at, UTC_TIMESTAMP(3))',\n  't.state_by = IF(n.to_state IS NULL, t.state_by, n.by_id)',",
    replace:
      "'t.state_by = IF(n.to_state IS NULL, t.state_by, n.by_id)',\n  { toString: () => 't.state_at = IF(n.to_state IS NULL, t.state_at, FROM_UNIXTIME(' + Date.now() / 1000 + '))' },",
    caughtBy: inMariadb(TIME),
  },
  {
    defect: 'PostgreSQL: a coupon is redeemed at its end',
    file: POSTGRES,
    find: 't.expires_at > statement_timestamp()',
    replace: 't.expires_at >= statement_timestamp()',
    caughtBy: inPostgres(END),
  },
  {
    defect: 'MySQL: a coupon is redeemed at its end',
    file: MYSQL,
    find: 't.expires_at > UTC_TIMESTAMP(3)',
    replace: 't.expires_at >= UTC_TIMESTAMP(3)',
    caughtBy: inMariadb(END),
  },
  {
    defect: 'PostgreSQL: a change names no version',
    file: POSTGRES,
    find: 'return `t.version = ',
    replace: 'return `t.version >= ',
    caughtBy: contractOf('postgres', OTHER_VERSION),
  },
  {
    defect: 'MySQL: a change names no version',
    file: MYSQL,
    find: "'t.version = n.version_ AND (n.unexpired",
    replace: "'(n.unexpired",
    caughtBy: contractOf('mysql', OTHER_VERSION),
  },
  {
    defect: 'PostgreSQL: a change does not count the version up',
    file: POSTGRES,
    find: 'version = t.version + 1',
    replace: 'version = t.version',
    caughtBy: contractOf('postgres', COUNTS_UP),
  },
  {
    defect: 'MySQL: a change does not count the version up',
    file: MYSQL,
    find: 't.version = t.version + 1',
    replace: 't.version = t.version',
    caughtBy: contractOf('mysql', COUNTS_UP),
  },
  {
    defect: 'PostgreSQL: a refused neighbour is told changed',
    file: POSTGRES,
    find: ': { changed: false, row: issuance };',
    replace: ': { changed: true, row: issuance };',
    caughtBy: contractOf('postgres', NEIGHBOURS),
  },
  {
    defect: 'MySQL: a refused neighbour is told changed',
    file: MYSQL,
    find: 'affected > 0 && free.includes(change)',
    replace: 'affected > 0',
    caughtBy: contractOf('mysql', NEIGHBOURS),
  },
  {
    defect: 'PostgreSQL: a batch waits for a row that another transaction holds',
    file: POSTGRES,
    find: ' FOR NO KEY UPDATE OF t SKIP LOCKED',
    replace: ' FOR NO KEY UPDATE OF t',
    caughtBy: inPostgres(HELD),
  },
  {
    defect: 'MySQL: a batch waits for a row that another transaction holds',
    file: MYSQL,
    find: "' FOR UPDATE SKIP LOCKED'",
    replace: "' FOR UPDATE'",
    caughtBy: inMariadb(HELD),
  },
  {
    defect: 'PostgreSQL: a change that is alone is told held',
    file: POSTGRES,
    find: 'const held = isRight && !isAlone;',
    replace: 'const held = isRight;',
    caughtBy: inPostgres(ALONE),
  },
  {
    defect: 'MySQL: a change that is alone is told held',
    file: MYSQL,
    find: 'if (isRight && !isAlone)',
    replace: 'if (isRight)',
    caughtBy: inMariadb(ALONE),
  },
  {
    defect: 'PostgreSQL: a batch denies a statement that was committed',
    file: POSTGRES,
    find: 'verdicts.some(({ changed }) => changed) ? null : ',
    replace: '',
    caughtBy: inPostgres(DENIED),
  },
  {
    defect: 'MySQL: a batch denies a statement that was committed',
    file: MYSQL,
    find: '(isSent ? null : this.#client.proof.notSaved(error)) ?? error',
    replace: 'this.#client.proof.notSaved(error) ?? error',
    caughtBy: inMariadb(DENIED),
  },
  {
    defect: 'an adapter may leave out the only change of a batch as held',
    file: 'src/redeem/adapter-answers.ts',
    find: 'changed === false && changes.length > 1',
    replace: 'changed === false',
    caughtBy: inLoop('leaves out the only change as held'),
  },
  {
    defect: 'a change that is refused takes its neighbours along',
    file: 'src/redeem/look-and-change.ts',
    find: 'error.wholeBatch || turns.length === 1',
    replace: 'error',
    caughtBy: inLoop('that the database refuses for certain changed nothing'),
  },
  {
    defect: 'a coupon is twice in the batches that are out',
    file: QUEUE,
    find: 'if (before) this.#wait(turn, before);',
    replace: 'if (before && MOST_HELD < 0) this.#wait(turn, before);',
    caughtBy: inLoop('are never twice in the batches that are out'),
  },
  {
    defect: 'a call that gave up while it waited is answered twice',
    file: QUEUE,
    find: 'while (next?.outcome) next = next.follower;',
    replace: '',
    caughtBy: inLoop('a call that ran out of time while it waited'),
  },
  {
    defect: 'PostgreSQL: a change takes rows of other partitions for its own',
    file: POSTGRES,
    find: ' AND t.tableoid = n.part',
    replace: '',
    caughtBy: { file: SERVERS, test: 'leaves alone the row at the same place' },
  },
  {
    defect: 'PostgreSQL: a campaign that the statistics do not know is read as a whole by each change',
    file: POSTGRES,
    find: "n.campaign_id?.startsWith('$')",
    replace: "n.campaign_id === ''",
    caughtBy: { file: SERVERS, test: 'in PostgreSQL a change finds its row by the key' },
  },
  {
    defect: 'PostgreSQL: a value that differs is taken for one of the whole batch',
    file: POSTGRES,
    find: 'all.every((value) => value === all[0])',
    replace: 'all.some((value) => value === all[1])',
    caughtBy: contractOf('postgres', 'a batch may mix campaigns, ways to name a coupon, and kinds of change'),
  },
  {
    defect: 'a lost attempt is forgotten',
    file: TURN,
    find: '    this.inDoubt = true;\n',
    replace: '',
    caughtBy: inLoop('that never answers is unknown'),
  },
  {
    defect: 'a lost attempt is not fenced before expired is told',
    file: TURN,
    find: '{ refusedVersion, inDoubt }',
    replace: '{ refusedVersion, inDoubt: false && inDoubt }',
    caughtBy: inLoop('of an expired coupon that is in doubt'),
  },
  {
    defect: 'expired is told after a change of which the row was not looked at',
    file: TURN,
    find: 'change.unexpired && looked ?',
    replace: 'change.unexpired && (looked || true) ?',
    caughtBy: inLoop('of a row that is saved behind the statement is made again'),
  },
  {
    defect: 'a row that is not there is told while an attempt is in doubt',
    file: TURN,
    find: "if (this.inDoubt) this.fail(new OwnFault('the row is not there'));\n      else this.outcome",
    replace: 'this.outcome',
    caughtBy: inLoop('that finds no row while an attempt is in doubt'),
  },
  {
    defect: 'a coupon that another transaction holds does not go alone',
    file: QUEUE,
    find: 'this.#alone.hand(turn, turn);',
    replace: 'this.#others.batcher.hand(turn, turn);',
    caughtBy: inLoop('goes alone, and the others are answered before'),
  },
  {
    defect: 'a change whose reply was lost counts as made by another call',
    file: TURN,
    find: 'return this.#lost?.answer === answer && this.#lost.change.version + 1 === life?.version;',
    replace: 'return answer === null && life === null;',
    caughtBy: inLoop('whose reply was lost is looked for, and is not made twice'),
  },
  {
    defect: 'a change in doubt counts as made, whoever made it',
    file: TURN,
    find: 'this.#lost?.answer === answer && this.#lost.change.version + 1 === life?.version',
    replace: 'this.#lost?.answer === answer && life !== null',
    caughtBy: inLoop('of an id that redeemed the coupon long before does not count as made'),
  },
  {
    defect: 'the order of another redemption is told',
    file: 'src/redeem/coupons.ts',
    find: "return 'id' in call && call.id === redemptionId ? { ...coupon, redemptionId } : coupon;",
    replace: "return 'id' in call ? { ...coupon, redemptionId } : coupon;",
    caughtBy: {
      file: 'test/integration/redeeming.test.ts',
      test: 'tells no call the id of the redemption of another order',
    },
  },
];
