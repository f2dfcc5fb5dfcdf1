const VERBS = 'test/unit/user-id.test.ts';
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
];
