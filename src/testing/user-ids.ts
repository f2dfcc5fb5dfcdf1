/** How user ids look: any text, or numbers and UUIDs as their columns print them; or the id of a user by number, from 1. */
export type UserIds = 'text' | 'integer' | 'bigint' | 'uuid' | ((n: number) => string);

/** Beyond the numbers of JavaScript, so a client that reads them as numbers takes two users for one. */
const BEYOND = 2n ** 53n;
const MOST_BIGINT = 2n ** 63n - 1n;
const MOST_INTEGER = 2n ** 31n - 1n;
/** A UUID with letters. */
const UUID = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11';

/** The id of a user by number; `undefined`: any text is an id. */
export function userIdOf(userIds: UserIds | undefined): ((n: number) => string) | undefined {
  switch (userIds) {
    case undefined:
    case 'text':
      return undefined;
    case 'integer':
      return (n) => String(1_000 + n);
    case 'bigint':
      return (n) => String(BEYOND + BigInt(n));
    case 'uuid':
      return (n) => `${n.toString(16).padStart(8, '0')}-9c0b-4ef8-bb6d-6bb9bd380a11`;
    default:
      return userIds;
  }
}

/** Spellings that a column may print otherwise, or cannot hold: numbers, UUIDs and texts. */
export const SPELLINGS: readonly string[] = [
  ...[
    '7',
    '07',
    '+7',
    ' 7',
    '7 ',
    '\t7',
    '7\n',
    '7.0',
    '7.5',
    '7e0',
    '0x7',
    '0b111',
    '0o7',
    '7_0',
    '7n',
    "7'",
    '٧',
    '７',
  ],
  ...['0', '00', '-0', '-1', '-7', '−7', 'NaN', 'Infinity', 'true', 'NULL'],
  ...[MOST_INTEGER, MOST_INTEGER + 1n, -MOST_INTEGER - 1n, -MOST_INTEGER - 2n, BEYOND, BEYOND + 1n].map(String),
  ...[MOST_BIGINT, MOST_BIGINT + 1n, -MOST_BIGINT - 1n, -MOST_BIGINT - 2n, 2n ** 64n - 1n, 10n ** 100n].map(String),
  ...[UUID, UUID.toUpperCase(), `{${UUID}}`, UUID.replaceAll('-', ''), `urn:uuid:${UUID}`, ` ${UUID}`, `${UUID} `],
  ...[
    'a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11',
    UUID.slice(1),
    `${UUID}0`,
    UUID.replace('a0', 'g0'),
    UUID.replace('b', 'B'),
  ],
  ...['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'],
  ...['kim', 'Kim', 'kim ', 'kım', 'jos\u00e9', 'jose\u0301', 'kim\u0001', '\u{1f381}'],
];
