import { type TableShape, type UsersTable, userIdOption } from '../own-table.js';
import { type Flaw, missingColumn, sameColumns, unnamedUsers } from '../table-format.js';
import {
  type Found,
  type FoundColumn,
  type FoundKey,
  type FoundReference,
  listed,
  quotedUsers,
  referenceSql,
  uniqueIndexSql,
} from './catalog.js';
import { COLUMNS, type Column, columnsOf, isNullable, KEYS, sqlName, typeFor } from './columns.js';

/** The missing parts of a table, in the words of an operator; `quoted` names it in statements. */
export function flawsOf(found: Found | null, quoted: string, shape: TableShape): Flaw[] {
  if (!found) return [{ what: 'it does not exist', cure: 'createTable()' }];
  if (found.kind !== 'r' && found.kind !== 'p') {
    return [{ what: 'it is not a table, so it has no unique keys', cure: 'name the table that holds the rows' }];
  }
  const there = new Map(found.columns.map((column) => [column.name, column]));
  const keys = KEYS.filter((key) => key.every((name) => there.has(name)));
  const columns = columnsOf(shape);
  return [
    ...flawsOfKind(found, quoted),
    ...columns.flatMap((column) => flawsOfColumn(column, there.get(column.name), quoted)),
    ...flawsOfRights(found, quoted, columns),
    ...flawsOfStrangers(found, quoted, columns),
    ...flawsOfReferences(found, quoted, shape),
    ...keys.flatMap((key) => flawsOfKey(key, found.keys, quoted)),
  ];
}

function flawsOfKind({ temporary, unlogged, inherited }: Found, quoted: string): Flaw[] {
  const flaws: Flaw[] = [];
  if (temporary) flaws.push({ what: 'it is temporary', cure: 'drop it, and createTable()' });
  if (unlogged) {
    const what = 'it is unlogged: a crash of the server empties it';
    flaws.push({ what, cure: `ALTER TABLE ${quoted} SET LOGGED` });
  }
  if (inherited) {
    const what = 'other tables inherit from it, and its unique keys do not hold for their rows';
    flaws.push({ what, cure: `ALTER TABLE … NO INHERIT ${quoted}` });
  }
  return flaws;
}

function flawsOfColumn({ name, made, fits, option }: Column, there: FoundColumn | undefined, quoted: string): Flaw[] {
  const named = sqlName(name);
  const alter = `ALTER TABLE ${quoted} ALTER COLUMN ${named}`;
  const retype = `${alter} TYPE ${made.replace(/ NOT NULL.*/, '')}`;
  if (!there) return [missingColumn({ name: named, made }, quoted)];
  if (!fits(there.type))
    return [
      { what: `its column ${name} (${there.type}) cannot hold every value`, cure: option?.(there.type) ?? retype },
    ];
  const flaws: Flaw[] = [];
  if (!there.deterministic) {
    flaws.push({ what: `the collation of its column ${name} takes different texts for the same`, cure: retype });
  }
  if (there.generated) {
    flaws.push({ what: `its column ${name} is generated`, cure: `${alter} DROP EXPRESSION, or DROP IDENTITY` });
  }
  if (there.notNull && isNullable({ made })) {
    flaws.push({ what: `its column ${name} must have a value`, cure: `${alter} DROP NOT NULL`, upgradable: true });
  }
  const [, preset] = /DEFAULT (.*)/.exec(made) ?? [];
  if (preset && !(there.notNull && there.filled)) {
    const cure = `${alter} SET DEFAULT ${preset}, ALTER COLUMN ${named} SET NOT NULL`;
    flaws.push({ what: `its column ${name} may be without a value`, cure });
  }
  return flaws;
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
    .map(({ name }) => ({
      what: `its column ${name} has neither a default nor may it be NULL`,
      cure: `ALTER TABLE ${quoted} ALTER COLUMN "${name}" DROP NOT NULL`,
    }));
}

const isOurs = (name: string) => COLUMNS.some((one) => one.name === name);

/** A foreign key is judged also if none was named: its actions would change sold coupons behind the back of Redis. */
function flawsOfReferences(found: Found, quoted: string, { users }: TableShape): Flaw[] {
  const { foreign, users: there, role } = found;
  const flaws = foreign
    .filter(({ deletes, isActive, columns }) => deletes || (isActive && columns.some(isOurs)))
    .map(({ name, columns }) => ({
      what: `its foreign key ${name} on ${listed(columns)} deletes or changes coupons together with rows of another table`,
      cure: `ALTER TABLE ${quoted} DROP CONSTRAINT "${name}", and add it again without ON DELETE and ON UPDATE actions`,
    }));
  flaws.push(...flawsOfUnnamed(found, quoted));
  return users ? [...flaws, ...flawsOfUsers(users, there, role), ...flawsOfLink(users, foreign, quoted)] : flaws;
}

function flawsOfUsers(users: UsersTable, there: Found['users'], role: string): Flaw[] {
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

function flawsOfLink(users: UsersTable, foreign: Found['foreign'], quoted: string): Flaw[] {
  const isLink = ({ isOfUsers, isEnforced, columns }: FoundReference) =>
    isOfUsers && isEnforced && sameColumns(columns, ['user_id']);
  if (foreign.some(isLink)) return [];
  const what = `its column user_id does not refer to ${quotedUsers(users)} ("${users.column}")`;
  return [{ what, cure: `ALTER TABLE ${quoted} ADD ${referenceSql(users)}`, upgradable: true }];
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
