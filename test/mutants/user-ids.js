const VERBS = 'test/unit/user-id.test.ts';
const OWN = 'test/contract/own-postgres.test.ts';
const BROKEN = 'test/contract/broken.test.ts';

const refuses = (verb) => `${verb} refuses the user id`;
const unasked = (verb, file, find, replace = '') => ({
  defect: `${verb} takes a user id that the table cannot hold`,
  file,
  find,
  replace,
  caughtBy: { file: VERBS, test: refuses(verb) },
});

/** User ids of a table of the shop's own. */
export const USER_IDS = [
  unasked('issue', 'src/issue/request.ts', '    assertUserId(adapter, userId);\n'),
  unasked('join', 'src/waiting-room/room.ts', '    assertUserId(adapter, request.userId);\n'),
  unasked('watch', 'src/waiting-room/room.ts', '    assertUserId(this.#parts.adapter, userId);\n'),
  unasked('leave', 'src/waiting-room/room.ts', '  assertUserId(adapter, userId);\n'),
  unasked(
    'extend',
    'src/redeem/coupons.ts',
    '    if (userId !== undefined) assertUserId(this.#options.adapter, userId);\n',
  ),
  unasked('coupons', 'src/box/box.ts', '    assertUserId(this.#adapter, userId);\n'),
  unasked(
    'revokeAll of users',
    'src/operate/revoke-all.ts',
    'assertUserId(adapter, value',
    'assertUserId(undefined, value',
  ),
  unasked(
    'revokeAll of coupons',
    'src/operate/revoke-all.ts',
    'assertUserId(adapter, userId',
    'assertUserId(undefined, userId',
  ),
  {
    defect: 'the words of an adapter that throws over a user id are told',
    file: 'src/persistence/user-id.ts',
    find: '{ cause: kindOf(error) }',
    replace: '{ cause: error }',
    caughtBy: { file: VERBS, test: 'is a HookError, which tells none of its words' },
  },
  {
    defect: 'the kit makes the user whose rows the database refuses',
    file: 'src/testing/stage.ts',
    find: 'text !== this.#around.refusedUserId && ',
    replace: '',
    caughtBy: { file: BROKEN, test: 'is never given the user whose rows it refuses' },
  },
  {
    defect: 'a user who is not there is tried for ever',
    file: 'src/persistence/users.ts',
    find: 'if (missing.has(one.userId)) verdicts.set(one, UNKNOWN_USER)',
    replace: 'if (missing.has(one.userId)) break',
    caughtBy: { file: OWN, test: 'are refused alone, all of a batch in one look' },
  },
  {
    defect: 'the neighbours of a user who is not there are refused too',
    file: 'src/persistence/users.ts',
    find: 'if (missing.has(one.userId)) verdicts.set(one, UNKNOWN_USER)',
    replace: 'verdicts.set(one, UNKNOWN_USER)',
    caughtBy: { file: OWN, test: 'are refused alone, all of a batch in one look' },
  },
  {
    defect: 'a foreign key of the shop is taken for a user who is not there',
    file: 'src/persistence/users.ts',
    find: 'if (missing.size === 0) throw error;',
    replace: 'if (missing.size === 0) for (const one of open) verdicts.set(one, UNKNOWN_USER);',
    caughtBy: { file: OWN, test: 'are not the ones to blame for a foreign key of the shop' },
  },
  {
    defect: 'a value of another type goes into a column of the shop',
    file: 'src/persistence/own-table.ts',
    find: "return typeof value === 'string' ? value : null;",
    replace: 'return value === undefined ? null : String(value);',
    caughtBy: { file: OWN, test: 'hold the properties of data that have their type' },
  },
  {
    defect: 'a foreign key that deletes coupons is fit',
    file: 'src/persistence/postgres/catalog.ts',
    find: "f.confdeltype NOT IN ('a', 'r') OR ",
    replace: '',
    caughtBy: { file: OWN, test: 'checkTable refuses a foreign key ON DELETE SET NULL' },
  },
  {
    defect: 'a foreign key of the shop that deletes coupons is fit',
    file: 'src/persistence/postgres/flaws.ts',
    find: 'deletes || (isActive',
    replace: '(isActive',
    caughtBy: { file: OWN, test: 'checkTable refuses a foreign key of the shop that deletes coupons' },
  },
  {
    defect: 'a foreign key that changes the users of coupons is fit',
    file: 'src/persistence/postgres/catalog.ts',
    find: " OR f.confupdtype NOT IN ('a', 'r')",
    replace: '',
    caughtBy: { file: OWN, test: 'checkTable refuses a foreign key ON UPDATE CASCADE' },
  },
  {
    defect: 'a table without the foreign key is fit',
    file: 'src/persistence/postgres/flaws.ts',
    find: '  if (foreign.some(isLink)) return [];',
    replace: '  return [];',
    caughtBy: { file: OWN, test: 'checkTable refuses no foreign key' },
  },
  {
    defect: 'a foreign key that is not enforced is fit',
    file: 'src/persistence/postgres/flaws.ts',
    find: 'isOfUsers && isEnforced && sameColumns',
    replace: 'isOfUsers && sameColumns',
    caughtBy: { file: OWN, test: 'checkTable refuses a foreign key that is not enforced' },
  },
  {
    defect: 'a foreign key to another table is fit',
    file: 'src/persistence/postgres/flaws.ts',
    find: 'isOfUsers && isEnforced && sameColumns',
    replace: 'isEnforced && sameColumns',
    caughtBy: { file: OWN, test: 'checkTable refuses a foreign key to another table' },
  },
  {
    defect: 'users are fit whose ids two texts share',
    file: 'src/persistence/postgres/flaws.ts',
    find: 'if (there.deterministic === false)',
    replace: 'if (!there)',
    caughtBy: { file: OWN, test: 'refuses users whose ids two texts share' },
  },
  {
    defect: 'a role is fit that may not look for users',
    file: 'src/persistence/postgres/flaws.ts',
    find: '  if (!there.select) {',
    replace: '  if (!there) {',
    caughtBy: { file: OWN, test: 'asks for the right to look for users' },
  },
  {
    defect: 'a user id is read as a number of the client',
    file: 'src/persistence/postgres/select-list.ts',
    find: "userId === 'text' ? 't.user_id' : 't.user_id::text AS user_id'",
    replace: "userId === 'text' ? 't.user_id' : 't.user_id::float8 AS user_id'",
    caughtBy: { file: OWN, test: 'a number of a user is read as the text that the database prints' },
  },
  {
    defect: 'an array of one reference is taken for that reference',
    file: 'src/persistence/own-table.ts',
    find: "(typeof references === 'string' && REFERENCE.exec(references)) || []",
    replace: 'REFERENCE.exec(references) ?? []',
    caughtBy: { file: 'test/unit/own-table.test.ts', test: 'names userId.references in its error' },
  },
  {
    defect: 'a foreign key that no option names is let pass',
    file: 'src/persistence/postgres/flaws.ts',
    find: '!one.isOfUsers && one.isEnforced',
    replace: '!one.isEnforced',
    caughtBy: { file: OWN, test: 'names the option for a foreign key on user_id that the options leave out' },
  },
  {
    defect: 'ids of numbers are cured to texts',
    file: 'src/persistence/postgres/flaws.ts',
    find: 'cure: option?.(there.type) ?? retype',
    replace: 'cure: retype',
    caughtBy: { file: OWN, test: 'names the option for ids that are no texts, and no statement that makes them texts' },
  },
  {
    defect: 'a store without a row is let pass',
    file: 'src/persistence/postgres/table.ts',
    find: 'rows.length > 0 ? []',
    replace: 'rows.length >= 0 ? []',
    caughtBy: {
      file: OWN,
      test: 'refuses a store without a row, which the cure fills, and none that is missing or unreadable',
    },
  },
];
