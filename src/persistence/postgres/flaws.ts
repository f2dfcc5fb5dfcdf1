import { type TableShape, type UserIdType, type UsersTable, userIdOption } from '../own-table.js';
import {
  type Flaw,
  missingColumn,
  OTHER_PRIMARY_KEY,
  sameColumns,
  strangeColumn,
  unnamedUsers,
} from '../table-format.js';
import {
  type Found,
  type FoundColumn,
  type FoundKey,
  type FoundReference,
  type FoundUsers,
  listed,
  quotedUsers,
  referenceSql,
  uniqueIndexSql,
} from './catalog.js';
import {
  COLUMNS,
  type Column,
  columnsOf,
  isNullable,
  KEYS,
  refersTo,
  sqlName,
  typeFor,
  typeForUsers,
} from './columns.js';

/** The missing parts of a table, in the words of an operator; `quoted` names it in statements. */
export function flawsOf(found: Found | null, quoted: string, shape: TableShape): Flaw[] {
  if (!found) return [{ what: 'it does not exist', cure: 'createTable()' }];
  if (found.kind !== 'r' && found.kind !== 'p') {
    return [{ what: 'it is not a table, so it has no unique keys', cure: 'name the table that holds the rows' }];
  }
  const there = new Map(found.columns.map((column) => [column.name, column]));
  const keys = KEYS.filter((key) => key.every((name) => there.has(name)));
  const columns = columnsOf(shape);
  // The type that the option names is the wrong one, so the column is not changed to it.
  const isMisnamed = ({ name }: Column) =>
    name === 'user_id' && found.users && !isProven(found, shape) && !refersTo(shape.userId, found.users.type);
  const isStrange = ({ name }: FoundColumn) => !columns.some((one) => one.name === name);
  const isOfOwner = found.columns.some((column) => column.primary !== null && isStrange(column));
  const judged = columns.filter((column) => !isMisnamed(column));
  // A foreign key that has to go keeps its column from another type, and a new one wants that type.
  return [
    ...flawsOfKind(found, quoted),
    ...flawsOfReferences(found, quoted),
    ...judged.flatMap((column) => flawsOfColumn(column, there.get(column.name), quoted, isOfOwner)),
    ...flawsOfRights(found, quoted, columns),
    ...flawsOfStrangers(found, quoted, columns),
    ...flawsOfLink(found, quoted, shape),
    ...keys.flatMap((key) => flawsOfKey(key, found.keys, quoted)),
  ];
}

function flawsOfKind({ temporary, unlogged, heirs }: Found, quoted: string): Flaw[] {
  const flaws: Flaw[] = [];
  if (temporary) flaws.push({ what: 'it is temporary', cure: 'drop it, and createTable()' });
  if (unlogged.length > 0) {
    const what = 'it is unlogged: a crash of the server empties it';
    flaws.push({ what, cure: unlogged.map((name) => `ALTER TABLE ${name} SET LOGGED`).join('; ') });
  }
  if (heirs.length > 0) {
    const what = 'other tables inherit from it, and its unique keys do not hold for their rows';
    flaws.push({ what, cure: heirs.map((name) => `ALTER TABLE ${name} NO INHERIT ${quoted}`).join('; ') });
  }
  return flaws;
}

/** `isOfOwner`: a column of the owner is in the primary key. */
function flawsOfColumn(column: Column, there: FoundColumn | undefined, quoted: string, isOfOwner: boolean): Flaw[] {
  const { name, made, fits, option } = column;
  const named = sqlName(name);
  if (!there) return [missingColumn({ name: named, made }, quoted)];
  // The server changes neither the type of such a column nor lets it be NULL.
  if (there.generated || (there.release !== null && (!fits(there.type) || isNullable({ made })))) {
    const release = there.release && `ALTER TABLE ${quoted} ALTER COLUMN ${named} ${there.release}`;
    return [{ what: `its column ${name} is generated`, cure: release ?? 'store its values in a column of that name' }];
  }
  if (!fits(there.type)) {
    const cure = option?.(there.type) ?? retype(column, there, quoted);
    return [{ what: `its column ${name} (${there.type}) cannot hold every value`, cure }];
  }
  const flaws: Flaw[] = [];
  if (!there.deterministic) {
    const cure = retype(column, there, quoted);
    flaws.push({ what: `the collation of its column ${name} takes different texts for the same`, cure });
  }
  if (there.notNull && isNullable({ made })) {
    const cure = there.primary && isOfOwner ? OTHER_PRIMARY_KEY : dropNotNull(there, named, quoted);
    flaws.push({ what: `its column ${name} must have a value`, cure, ...(!there.primary && { upgradable: true }) });
  }
  const preset = presetOf(made);
  if (preset && !(there.notNull && there.filled)) {
    // Rows without the value get it in the same statement.
    const filled = there.notNull ? [] : [`TYPE ${typeOf(made)} USING coalesce(${named}, ${preset})`];
    const cure = alterColumn(named, quoted, [...filled, `SET DEFAULT ${preset}`, 'SET NOT NULL']);
    flaws.push({ what: `its column ${name} may be without a value`, cure });
  }
  return flaws;
}

const typeOf = (made: string) => made.replace(/ NOT NULL.*/, '');
const presetOf = (made: string) => /DEFAULT (.*)/.exec(made)?.[1];

function alterColumn(named: string, quoted: string, steps: readonly string[]): string {
  return `ALTER TABLE ${quoted} ${steps.map((step) => `ALTER COLUMN ${named} ${step}`).join(', ')}`;
}

/** By way of a text, the server refuses a value that is not one of the type, and never rounds it. */
function retype({ name, made }: Column, { becomes, filled }: FoundColumn, quoted: string): string {
  const [named, type] = [sqlName(name), typeOf(made)];
  const isPlain = /^text/.test(type) || becomes.includes(type.replace('timestamptz(3)', 'timestamp with time zone'));
  if (isPlain) return alterColumn(named, quoted, [`TYPE ${type}`]);
  const preset = presetOf(made);
  return alterColumn(named, quoted, [
    ...(filled ? ['DROP DEFAULT'] : []),
    `TYPE ${type} USING ${named}::text::${type}`,
    ...(preset ? [`SET DEFAULT ${preset}`] : []),
  ]);
}

/** A column of a primary key cannot be NULL. Where two are in it, the second statement finds it gone. */
function dropNotNull({ primary }: FoundColumn, named: string, quoted: string): string {
  const freed = primary === null ? '' : `DROP CONSTRAINT IF EXISTS ${primary}, `;
  return `ALTER TABLE ${quoted} ${freed}ALTER COLUMN ${named} DROP NOT NULL`;
}

/** Of the columns that are used. */
function flawsOfRights({ columns, role }: Found, quoted: string, wanted: readonly Column[]): Flaw[] {
  const used = columns.filter(({ name }) => wanted.some((one) => one.name === name));
  const rights = (['select', 'insert'] as const).filter((right) => used.some((column) => !column[right]));
  if (rights.length === 0) return [];
  const names = rights.map((right) => right.toUpperCase());
  return [
    { what: `${role} may not ${names.join(' and ')}`, cure: `GRANT ${names.join(', ')} ON ${quoted} TO ${role}` },
  ];
}

/** Columns of the user's own. */
function flawsOfStrangers({ columns }: Found, quoted: string, wanted: readonly Column[]): Flaw[] {
  return columns
    .filter(({ name, notNull, filled }) => notNull && !filled && !wanted.some((one) => one.name === name))
    .map((column) =>
      strangeColumn(column.name, column.primary ? null : dropNotNull(column, `"${column.name}"`, quoted)),
    );
}

const isOurs = (name: string) => COLUMNS.some((one) => one.name === name);

/** A foreign key is judged also if none was named: its actions would change sold coupons behind the back of Redis. */
function flawsOfReferences(found: Found, quoted: string): Flaw[] {
  const flaws = found.foreign
    .filter(({ deletes, isActive, columns }) => deletes || (isActive && columns.some(isOurs)))
    .map(({ name, columns, inactive }) => ({
      what: `its foreign key ${name} on ${listed(columns)} deletes or changes coupons together with rows of another table`,
      cure: `ALTER TABLE ${quoted} DROP CONSTRAINT "${name}", ADD CONSTRAINT "${name}" ${inactive}`,
    }));
  return [...flaws, ...flawsOfUnnamed(found, quoted)];
}

/** Flaws of the users that keep the foreign key from being made, or users from being looked for. `proven`: it was made. */
export function flawsOfUsers(
  users: UsersTable,
  there: FoundUsers | null,
  role: string,
  userId: UserIdType,
  proven = false,
): Flaw[] {
  const named = `${quotedUsers(users)} ("${users.column}")`;
  if (!there)
    return [{ what: `there is no ${named} for its users`, cure: 'make that table first, or name another one' }];
  const flaws: Flaw[] = [];
  if (!there.select) {
    const cure = `GRANT SELECT ("${users.column}") ON ${quotedUsers(users)} TO ${role}`;
    flaws.push({ what: `${role} may not SELECT ${named}, so it cannot tell which user is not there`, cure });
  }
  if (there.deterministic === false) {
    const cure = `ALTER TABLE ${quotedUsers(users)} ALTER COLUMN "${users.column}" TYPE text COLLATE "C"`;
    flaws.push({ what: `the collation of ${named} takes two users for one`, cure });
  }
  if (proven) return flaws;
  if (!refersTo(userId, there.type)) {
    const type = typeForUsers(there.type);
    const cure = `${type ? `userId: { type: '${type}', … }, or ` : ''}leave out userId.references`;
    flaws.push({ what: `${named} is ${there.type}, and userId.type is ${userId}`, cure });
  } else if (!there.isUnique) {
    const cure = `CREATE UNIQUE INDEX ON ${quotedUsers(users)} ("${users.column}")`;
    flaws.push({ what: `${named} has no unique key, which a foreign key needs`, cure });
  }
  return flaws;
}

function flawsOfUnnamed({ foreign, columns }: Found, quoted: string): Flaw[] {
  const type = typeFor(columns.find(({ name }) => name === 'user_id')?.type ?? '');
  return foreign
    .filter((one) => !one.isOfUsers && one.isEnforced && sameColumns(one.columns, ['user_id']))
    .map(({ name, to }) => {
      const option = type && userIdOption(`type: '${type}'`, to);
      return unnamedUsers(name, to, option, `ALTER TABLE ${quoted} DROP CONSTRAINT "${name}"`);
    });
}

function isLinked({ foreign }: Found): boolean {
  const isLink = ({ isOfUsers, isEnforced, columns }: FoundReference) =>
    isOfUsers && isEnforced && sameColumns(columns, ['user_id']);
  return foreign.some(isLink);
}

/** The server has joined a column of the named type to the users, whatever type they have. */
function isProven(found: Found, shape: TableShape): boolean {
  const own = found.columns.find(({ name }) => name === 'user_id');
  const wanted = columnsOf(shape).find(({ name }) => name === 'user_id');
  return isLinked(found) && own !== undefined && wanted!.fits(own.type);
}

function flawsOfLink(found: Found, quoted: string, shape: TableShape): Flaw[] {
  const { users, userId } = shape;
  const { users: there, role } = found;
  if (!users) return [];
  const flaws = flawsOfUsers(users, there, role, userId, isProven(found, shape));
  if (isLinked(found)) return flaws;
  const what = `its column user_id does not refer to ${quotedUsers(users)} ("${users.column}")`;
  // Such users are refused above, and the foreign key would be too.
  if (!there || !refersTo(userId, there.type)) return flaws;
  return [...flaws, { what, cure: `ALTER TABLE ${quoted} ADD ${referenceSql(users)}`, upgradable: true }];
}

function flawsOfKey(columns: readonly string[], keys: readonly FoundKey[], quoted: string): Flaw[] {
  const same = keys.filter((key) => sameColumns(key.columns, columns));
  if (same.some(({ flaw }) => flaw === '')) return [];
  const useless = same.map(({ name, flaw }) => `, for ${name} ${flaw}`).join('');
  return [
    {
      what: `it has no unique key on ${listed(columns)}${useless}`,
      cure: uniqueIndexSql(columns, quoted),
      upgradable: true,
    },
  ];
}
