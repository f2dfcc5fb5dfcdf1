import { type UsersTable, userIdOption } from '../own-table.js';
import { type Flaw, sameColumns, unnamedUsers } from '../table-format.js';
import type { Found, FoundColumn, FoundReference } from './catalog.js';
import { accountOf, COLUMNS, type Column, isUnsigned, modifySql } from './columns.js';
import type { MysqlShape } from './user-ids.js';

const CONSTRAINT = /^ *CONSTRAINT (.+?) FOREIGN KEY \((.+?)\) REFERENCES (.+?) \((.+?)\)(.*)$/gm;
const ACTION = /ON (?:DELETE|UPDATE) (?:CASCADE|SET NULL|SET DEFAULT)/;
const namesIn = (text: string) => text.replace(/[`"]/g, '').split(/, |\./);

const quotedList = (text: string, between = ', ') =>
  namesIn(text)
    .map((name) => `\`${name}\``)
    .join(between);

/** From SHOW CREATE TABLE: the catalog of MariaDB hides the actions from a user with rights to this table alone. */
export function referencesIn(created: string): FoundReference[] {
  return [...created.matchAll(CONSTRAINT)].map(([, name = '', columns = '', to = '', users = '', rules = '']) => {
    const [table = '', schema = null] = namesIn(to).reverse();
    return {
      name: name.replace(/[`"]/g, ''),
      columns: namesIn(columns),
      schema,
      table,
      users: namesIn(users),
      deletes: rules.includes('ON DELETE CASCADE'),
      isActive: ACTION.test(rules),
      inactive: `FOREIGN KEY (${quotedList(columns)}) REFERENCES ${quotedList(to, '.')} (${quotedList(users)})`,
    };
  });
}

export function quotedUsers({ schema, name }: UsersTable): string {
  return schema === null ? `\`${name}\`` : `\`${schema}\`.\`${name}\``;
}

export function namedUsers(users: UsersTable): string {
  return `${quotedUsers(users)} (\`${users.column}\`)`;
}

/** The foreign key to the users, as it is made. Without an action: a coupon whose user was deleted would be lost. */
export function referenceSql(users: UsersTable): string {
  return `FOREIGN KEY (user_id) REFERENCES ${namedUsers(users)}`;
}

/** The number of the next foreign key, in a name as the server makes it: such a name follows when the table is renamed. */
export function namedReferenceSql(users: UsersTable, { columns, references }: Found): string {
  const table = columns[0]!.tableName;
  const numbers = (references ?? []).map(({ name }) => Number(/_ibfk_(\d+)$/.exec(name)?.[1] ?? 0));
  return `CONSTRAINT \`${table}_ibfk_${Math.max(0, ...numbers) + 1}\` ${referenceSql(users)}`;
}

/** Of the collations that tell letters apart. Where one pads, no user id ends with a space. */
const EXACT = /^utf8mb4_(bin|nopad_bin|0900_bin)$/;
/** A `char` keeps spaces at its end. Under any other exact collation, a foreign key finds only texts of its full length. */
const PADDED = 'utf8mb4_bin';
const isWide = ({ length }: FoundColumn, characters: number) => Number(length) >= characters;

type ColumnKind = Omit<Column, 'name'>;

/** The column of a type, by the column that it refers to. */
const KINDS: Readonly<Record<MysqlShape['userId'], (shape: MysqlShape, users: FoundColumn | null) => ColumnKind>> = {
  text: (_, users) => ({
    made: `${users?.collation ? `varchar(128) COLLATE ${users.collation}` : 'varbinary(128)'} NOT NULL`,
    fits: (there) => isText(there) && !/^(char|binary)$/.test(there.type) && isWide(there, 128),
  }),
  bigint: ({ unsigned }) => number('bigint', ['bigint'], unsigned),
  integer: ({ unsigned }) => number('int', ['int', 'bigint'], unsigned),
  uuid: (_, users) => ({
    made: `${users?.type === 'uuid' ? 'uuid' : `char(36) COLLATE ${users?.collation ?? 'ascii_bin'}`} NOT NULL`,
    fits: isUuid,
  }),
};

function number(type: string, types: readonly string[], unsigned: boolean): ColumnKind {
  const fits = (there: FoundColumn) => types.includes(there.type) && isUnsigned(there) === unsigned;
  return { made: `${type}${unsigned ? ' unsigned' : ''} NOT NULL`, fits };
}

function isText({ type, collation }: FoundColumn): boolean {
  if (type === 'char') return collation === PADDED;
  return type === 'varbinary' || (type === 'varchar' && EXACT.test(collation ?? ''));
}

/** No collation takes two UUIDs in small letters for one. */
function isUuid(there: FoundColumn): boolean {
  return there.type === 'uuid' || (/^(var)?char$/.test(there.type) && isWide(there, 36));
}

/** The column `user_id`, which a foreign key wants of the very type of the column of the users. */
export function userIdColumn(shape: MysqlShape, users: FoundColumn | null): Column {
  if (shape.users) return { name: 'user_id', ...KINDS[shape.userId](shape, users) };
  const text = COLUMNS.find(({ name }) => name === 'user_id')!;
  return { ...text, ...(shape.userId !== 'text' && KINDS[shape.userId](shape, users)), option: optionFor };
}

/** The type of the option under which a column of user ids fits, or `null`. */
function typeFor(there: FoundColumn): string | null {
  const number = { int: 'integer', bigint: 'bigint' }[there.type];
  if (number) return `type: '${number}'${isUnsigned(there) ? ', unsigned: true' : ''}`;
  if (there.type === 'uuid' || /^(var)?char\(36\)$/.test(there.full)) return "type: 'uuid'";
  return isText(there) && isWide(there, 128) ? "type: 'text'" : null;
}

/** Ids that are no texts would lose their type, and the users of the shop no longer fit them. */
function optionFor(there: FoundColumn): string | null {
  const type = typeFor(there);
  return type === null || type === "type: 'text'" ? null : userIdOption(type);
}

/** Flaws of the users that keep the foreign key from being made. `before`: statements that free their column. */
export function flawsOfUsers(shape: MysqlShape, there: FoundColumn | null, before = ''): Flaw[] {
  const { users } = shape;
  if (!users) return [];
  const named = namedUsers(users);
  if (!there) {
    const what = `there is no ${named} for its users, or this user has no right to it`;
    return [{ what, cure: 'make that table first, or name another one, or let this user SELECT that column' }];
  }
  const flaws: Flaw[] = [];
  if (!there.rights.toLowerCase().includes('select')) {
    const cure = `GRANT SELECT (\`${users.column}\`) ON ${quotedUsers(users)} TO ${accountOf(there)}`;
    flaws.push({ what: `this user may not SELECT ${named}, so it cannot tell which user is not there`, cure });
  }
  if (there.keyed === '') {
    const cure = `ALTER TABLE ${quotedUsers(users)} ADD UNIQUE KEY (\`${users.column}\`)`;
    flaws.push({ what: `${named} has no unique key, which a foreign key needs`, cure });
  }
  if (refersTo(shape, there)) return flaws;
  const type = [there.full, there.collation].filter(Boolean).join(' ');
  const isCollated = shape.userId === 'text' && there.collation !== null;
  const isShort = there.type === 'char' && EXACT.test(there.collation ?? '');
  const what = isCollated
    ? `the collation of ${named} (${type}) ${isShort ? 'lets a foreign key find only ids of the full length' : 'takes two users for one'}`
    : `${named} is ${type}, and userId.type is ${shape.userId}${shape.unsigned ? ' unsigned' : ''}`;
  return [...flaws, { what, cure: isCollated ? `${before}${cureOfCollation(users, there)}` : cureOfType(there) }];
}

/** Whether the option names another type than the users have. */
export function isMisnamed(shape: MysqlShape, there: FoundColumn | null): boolean {
  return shape.users !== null && there !== null && !refersTo(shape, there);
}

function refersTo({ userId, unsigned }: MysqlShape, there: FoundColumn): boolean {
  if (userId === 'text') return isText(there);
  if (userId === 'uuid') return isUuid(there);
  return there.type === (userId === 'integer' ? 'int' : 'bigint') && isUnsigned(there) === unsigned;
}

function cureOfCollation(users: UsersTable, { full }: FoundColumn): string {
  const alter = `ALTER TABLE ${quotedUsers(users)} MODIFY \`${users.column}\` ${full} COLLATE utf8mb4_bin NOT NULL`;
  return `${alter}, or userId.type 'uuid' if they are UUIDs, or leave out userId.references`;
}

function cureOfType(there: FoundColumn): string {
  const type = { int: 'integer', bigint: 'bigint', uuid: 'uuid', char: 'text', varchar: 'text', varbinary: 'text' }[
    there.type
  ];
  if (!type) return 'leave out userId.references';
  return `userId: { type: '${type}'${isUnsigned(there) ? ', unsigned: true' : ''}, … }, or leave out userId.references`;
}

const isOurs = (name: string) => COLUMNS.some((one) => one.name === name);

/** A foreign key is judged also if none was named: its actions would change sold coupons behind the back of Redis. */
export function flawsOfReferences(
  found: Found,
  there: FoundColumn | null,
  quoted: string,
  { users }: MysqlShape,
): Flaw[] {
  const { references } = found;
  const flaws = (references ?? [])
    .filter(({ deletes, isActive, columns }) => deletes || (isActive && columns.some(isOurs)))
    .map(({ name, columns, inactive }) => ({
      what: `its foreign key ${name} on (${columns.join(', ')}) deletes or changes coupons together with rows of another table`,
      cure: `ALTER TABLE ${quoted} DROP FOREIGN KEY \`${name}\`; ALTER TABLE ${quoted} ADD CONSTRAINT \`${name}\` ${inactive}`,
    }));
  if (!users || there) flaws.push(...flawsOfUnnamed(found, there, quoted));
  return flaws;
}

/** Flaws of the users, and of the column that refers to them. */
export function flawsOfLink(found: Found, there: FoundColumn | null, quoted: string, shape: MysqlShape): Flaw[] {
  const { users } = shape;
  if (!users || !there) return flawsOfUsers(shape, there);
  const flaws = flawsOfUsers(shape, there, unlinkSql(found, there, quoted));
  if (found.variables.get('foreign_key_checks') === 'OFF') {
    const what = 'foreign_key_checks is off, so users who are not there get coupons';
    flaws.push({ what, cure: 'SET foreign_key_checks = 1 in the sessions of the pool' });
  }
  // Such users are refused above, and the foreign key would be too.
  if (isLinked(found, there) || !refersTo(shape, there)) return flaws;
  const what = `its column user_id does not refer to ${namedUsers(users)}`;
  const cure = `ALTER TABLE ${quoted} ADD ${referenceSql(users)}`;
  // A column that does not fit is told by itself.
  const isFit = found.columns.some((one) => one.name === 'user_id' && userIdColumn(shape, there).fits(one));
  return [...flaws, ...(isFit ? flawsOfType(found, there, quoted, shape) : []), { what, cure, upgradable: true }];
}

/** A foreign key that the options do not name. */
function flawsOfUnnamed(found: Found, there: FoundColumn | null, quoted: string): Flaw[] {
  const own = found.columns.find(({ name }) => name === 'user_id');
  const type = own ? typeFor(own) : null;
  return ofUserId(found)
    .filter((one) => !there || !refersIn(found, one, there))
    .map(({ name, schema, table, users }) => {
      const to = `${schema === null ? '' : `${schema}.`}${table}(${users.join(', ')})`;
      const option = type && userIdOption(type, to);
      return unnamedUsers(name, to, option, `ALTER TABLE ${quoted} DROP FOREIGN KEY \`${name}\``);
    });
}

function ofUserId({ references }: Found): FoundReference[] {
  return (references ?? []).filter(({ columns }) => sameColumns(columns, ['user_id']));
}

/** Neither of two columns that a foreign key joins can be altered. The next check asks for it anew. */
export function unlinkSql(found: Found, there: FoundColumn | null, quoted: string): string {
  const links = ofUserId(found).filter((one) => there && refersIn(found, one, there));
  return links.map(({ name }) => `ALTER TABLE ${quoted} DROP FOREIGN KEY \`${name}\`; `).join('');
}

/** Whether the column `user_id` refers to that column. */
export function isLinked(found: Found, there: FoundColumn): boolean {
  return ofUserId(found).some((one) => refersIn(found, one, there));
}

function refersIn({ columns: [first] }: Found, { schema, table, users }: FoundReference, there: FoundColumn): boolean {
  return (
    (schema ?? first!.schemaName) === there.schemaName &&
    table === there.tableName &&
    sameColumns(users.map(lower), [lower(there.name)])
  );
}

const lower = (name: string) => name.toLowerCase();

/** A foreign key cannot join columns of two types. */
export function flawsOfType(found: Found, there: FoundColumn | null, quoted: string, shape: MysqlShape): Flaw[] {
  const own = found.columns.find(({ name }) => name === 'user_id');
  if (!shape.users || !there || !own || kindOf(own) === kindOf(there)) return [];
  const { made } = userIdColumn(shape, there);
  const what = `its column user_id (${kindOf(own)}) is not of the type of ${namedUsers(shape.users)} (${kindOf(there)})`;
  return [{ what, cure: modifySql(own, { name: 'user_id', made }, quoted) }];
}

/** The length of a text may differ. */
function kindOf({ type, collation, ...there }: FoundColumn): string {
  if (collation !== null) return `text ${collation}`;
  return `${/binary$/.test(type) ? 'binary' : type}${isUnsigned({ type, collation, ...there }) ? ' unsigned' : ''}`;
}
