const caughtBy = (test) => ({ file: 'test/integration/new-ids.test.ts', test });
const reserve = 'src/redis/reserve-call.ts';
const save = 'src/issue/save.ts';
const insert = 'src/persistence/postgres/insert.ts';

export const NEW_IDS = [
  {
    defect: 'the id of a request that may come again counts as new',
    file: 'src/issue/request.ts',
    find: 'isMinted: requestId === undefined,',
    replace: 'isMinted: true,',
    caughtBy: caughtBy('unless a call of its batch was given a request id'),
  },
  {
    defect: 'one new id makes all ids of a batch new',
    file: save,
    find: '!doubt && requests.every(',
    replace: '!doubt && requests.some(',
    caughtBy: caughtBy('unless a call of its batch was given a request id'),
  },
  {
    defect: 'rows that may be stored already are saved as new ones',
    file: save,
    find: '!doubt && requests.every(',
    replace: 'requests.every(',
    caughtBy: caughtBy('once: the same rows after an unknown end may be stored'),
  },
  {
    defect: 'the id of a user who may have several counts as new',
    file: save,
    find: 'perUser === 1 && reserved.isNewId',
    replace: 'reserved.isNewId',
    caughtBy: caughtBy('unless its user may have several'),
  },
  {
    defect: 'an id counts as new though the client sent its call to another server too',
    file: reserve,
    find: 'if (campaign.shard.context.runner.isUnbroken(this.#connection)) {',
    replace: 'if (this.#connection) {',
    caughtBy: caughtBy('unless the client sent the call again, on another connection'),
  },
  {
    defect: 'an id counts as new though an earlier send may have taken a unit for it',
    file: reserve,
    find: 'requests[i]!.isMinted && !requests[i]!.sent',
    replace: 'requests[i]!.isMinted',
    caughtBy: caughtBy('unless it asked for a unit twice'),
  },
  {
    defect: 'new ids are not looked for though a grant is free again',
    file: insert,
    find: '} AND t.grant_no IS NULL`',
    replace: '} AND false`',
    caughtBy: caughtBy('looks for no new id until a grant is free again'),
  },
  {
    defect: 'each save reads all coupons of its campaign to find a free grant',
    file: 'src/persistence/postgres/save.ts',
    find: 'newIds && this.#made.findsFreed',
    replace: 'newIds',
    caughtBy: caughtBy('looks for each id where the table lacks the index of free grants'),
  },
  {
    defect: 'an INSERT of new ids that may have stored nothing counts as sent where the client does not count rows',
    file: 'src/persistence/postgres/save.ts',
    find: 'if (!unseen || written) return written;',
    replace: 'if (!unseen || written !== 0) return written;',
    caughtBy: caughtBy('stores new ids though a grant is free again'),
  },
  {
    defect: 'rows that the first INSERT may have stored count as not stored by the second',
    file: 'src/persistence/postgres/save.ts',
    find: 'throw isInDoubt ? error : (this.#client.proof.notSaved(error) ?? error);',
    replace: 'throw this.#client.proof.notSaved(error) ?? error;',
    caughtBy: caughtBy('proves nothing by the second INSERT'),
  },
  {
    defect: 'batches insert their rows in any order, and lock each other out',
    file: insert,
    find: '[...unsorted].sort(bySerial)',
    replace: '[...unsorted]',
    caughtBy: caughtBy('stores the rows of a batch in the order of their serials'),
  },
];
