const POSTGRES = 'src/persistence/postgres';
const MYSQL = 'src/persistence/mysql';
const inPostgres = (test) => ({ file: 'test/integration/within.test.ts', test: `in PostgreSQL ${test}` });
const inMariadb = (test) => ({ file: 'test/integration/within.test.ts', test: `in MariaDB ${test}` });

const DEADLOCK = 'a statement that was the victim of a deadlock is not sent again';
const REFUSED = 'a client without a transaction, a pool and what is no client are refused';
const LATE = 'a call whose time ran out sends no change once its transaction is over';
const BEHIND = 'a call that stands behind another one of its transaction is not made after its time';
const POOL_CHECK = 'if (own.isPool)';

/** Defects of a redemption in a transaction of the shop. */
export const WITHIN = [
  {
    defect: 'PostgreSQL: a transaction is answered from its old snapshot',
    file: `${POSTGRES}/change.ts`,
    find: "' FOR NO KEY UPDATE OF t'",
    replace: "''",
    caughtBy: inPostgres('a transaction that saw an expired coupon before its end was moved'),
  },
  {
    defect: 'MySQL: a transaction is answered from its old snapshot',
    file: `${MYSQL}/change.ts`,
    find: "this.#isWithin ? ' FOR UPDATE' : ''",
    replace: "''",
    caughtBy: inMariadb('a transaction that saw the coupon before another order redeemed it'),
  },
  {
    defect: 'MySQL: a transaction locks the place of a row that is not there',
    file: `${MYSQL}/change.ts`,
    find: 'this.#isWithin ? await this.#present(kind, columns, changes) : changes',
    replace: 'changes',
    caughtBy: inMariadb('a coupon that is looked for by its code before it is saved'),
  },
  {
    defect: 'MySQL: a look in a transaction locks the place of a row that is not there',
    file: `${MYSQL}/change.ts`,
    find: 'if (this.#isWithin) asked =',
    replace: 'if (!this.#isWithin) asked =',
    caughtBy: inMariadb('a coupon that is looked for by its code before it is saved'),
  },
  {
    defect: 'PostgreSQL: a change is sent again after its transaction ended by a deadlock',
    file: `${POSTGRES}/change.ts`,
    find: 'this.#isWithin ? 1 : MOST_TRIES',
    replace: 'MOST_TRIES',
    caughtBy: inPostgres(DEADLOCK),
  },
  {
    defect: 'MySQL: a change is sent again after its transaction ended by a deadlock',
    file: `${MYSQL}/change.ts`,
    find: 'this.#isWithin ? 1 : MOST_TRIES',
    replace: 'MOST_TRIES',
    caughtBy: inMariadb(DEADLOCK),
  },
  {
    defect: 'a change is sent again after its reply was lost in a transaction',
    file: 'src/redeem/turn.ts',
    find: 'if (this.#isWithin || this.#sends',
    replace: 'if (this.#sends',
    caughtBy: inPostgres('a statement whose reply is lost is not sent again'),
  },
  {
    defect: 'an event is told of what a transaction may roll back',
    file: 'src/redeem/coupons.ts',
    find: 'if (within === undefined) this.#tell(request, outcome);',
    replace: 'this.#tell(request, outcome);',
    caughtBy: inPostgres('a coupon that was redeemed in a transaction of the shop is redeemed once that commits'),
  },
  {
    defect: 'an adapter that has no within is asked all the same',
    file: 'src/redeem/coupons.ts',
    find: 'if (!adapter?.within) {',
    replace: 'if (!adapter) {',
    caughtBy: {
      file: 'test/integration/within.test.ts',
      test: 'an adapter that cannot take part in a transaction says so',
    },
  },
  {
    defect: 'PostgreSQL: a client without a transaction commits by itself',
    file: `${POSTGRES}/within.ts`,
    find: ' IN ACCESS SHARE MODE`',
    replace: ' IN ACCESS SHARE MODE`.slice(0, 0)',
    caughtBy: inPostgres(REFUSED),
  },
  {
    defect: 'MySQL: a client without a transaction commits by itself',
    file: `${MYSQL}/within.ts`,
    find: '=== AUTOCOMMIT)',
    replace: '=== -1)',
    caughtBy: inMariadb(REFUSED),
  },
  {
    defect: 'PostgreSQL: a pool is taken for a transaction',
    file: `${POSTGRES}/within.ts`,
    find: POOL_CHECK,
    replace: 'if (false)',
    caughtBy: inPostgres(REFUSED),
  },
  {
    defect: 'MySQL: a pool is taken for a transaction',
    file: `${MYSQL}/within.ts`,
    find: POOL_CHECK,
    replace: 'if (false)',
    caughtBy: inMariadb(REFUSED),
  },
  {
    defect: 'MySQL: a session without autocommit is in no transaction',
    file: `${MYSQL}/within.ts`,
    find: '(IN_TRANSACTION | AUTOCOMMIT)) === AUTOCOMMIT',
    replace: 'IN_TRANSACTION) === 0',
    caughtBy: {
      file: 'test/integration/within.test.ts',
      test: 'a session of MariaDB without autocommit is in a transaction',
    },
  },
  {
    defect: 'PostgreSQL: a change is sent after its time, when its transaction may be over',
    file: `${POSTGRES}/client.ts`,
    find: 'this.#signal?.throwIfAborted();',
    replace: '',
    caughtBy: inPostgres(BEHIND),
  },
  {
    defect: 'MySQL: a change is sent after its time, when its transaction may be over',
    file: `${MYSQL}/client.ts`,
    find: 'this.#signal?.throwIfAborted();',
    replace: '',
    caughtBy: inMariadb(LATE),
  },
];
