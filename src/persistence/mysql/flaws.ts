import { type Flaw, missingColumn, OTHER_PRIMARY_KEY, sameColumns, strangeColumn } from '../table-format.js';
import type { Found, FoundColumn, Statistic } from './catalog.js';
import { accountOf, COLUMNS, type Column, isRequired, KEYS, modifySql, OWN, sqlName, toNullable } from './columns.js';
import { flawsOfLink, flawsOfReferences, isMisnamed, unlinkSql, userIdColumn } from './references.js';
import type { MysqlShape } from './user-ids.js';

/** The columns of a table of this shape. `users`: the column that `user_id` refers to. */
export function columnsOf(shape: MysqlShape, users: FoundColumn | null): readonly Column[] {
  return [
    ...COLUMNS.map((column) => (column.name === 'user_id' ? userIdColumn(shape, users) : column)),
    ...shape.columns.map(({ name, type }) => ({ name, ...OWN[type] })),
  ];
}

/** The missing parts of a table, in the words of an operator; `quoted` names it in statements. */
export function flawsOf(found: Found | null, users: FoundColumn | null, quoted: string, shape: MysqlShape): Flaw[] {
  if (!found) return [{ what: 'it does not exist, or this user has no right to it', cure: 'createTable(), or GRANT' }];
  if (!/^(BASE TABLE|SYSTEM VERSIONED)$/.test(found.kind)) {
    return [{ what: 'it is not a table, so it has no unique keys', cure: 'name the table that holds the rows' }];
  }
  const flaws: Flaw[] = [];
  if (found.engine?.toLowerCase() !== 'innodb') {
    flaws.push({ what: `its engine is ${found.engine}`, cure: `ALTER TABLE ${quoted} ENGINE = InnoDB` });
  }
  const there = new Map(found.columns.map((column) => [column.name.toLowerCase(), column]));
  const columns = columnsOf(shape, users);
  // The type that the option names is the wrong one, so the column is not changed to it.
  const judged = columns.filter(({ name }) => name !== 'user_id' || !isMisnamed(shape, users));
  const lacks = columns.some(({ name }) => !there.has(name.toLowerCase()));
  if (found.references === null && (shape.users || lacks)) {
    const what = 'this user may not see its foreign keys and all of its columns';
    return [...flaws, { what, cure: `GRANT SELECT ON ${quoted} TO ${accountOf(found.columns[0]!)}` }];
  }
  const inPrimary = keysOf(found).find(({ name }) => name === 'PRIMARY')?.columns ?? [];
  const primary = found.columns.filter(({ name }) => inPrimary.includes(name));
  // A foreign key that has to go keeps its column from another type, and a new one wants that type.
  flaws.push(
    ...flawsOfReferences(found, users, quoted, shape),
    ...judged.flatMap((column) => {
      const before = column.name === 'user_id' ? unlinkSql(found, users, quoted) : '';
      return flawsOfColumn(column, there.get(column.name.toLowerCase()), { quoted, columns, primary, before });
    }),
    ...flawsOfRights(found.columns, quoted, columns),
    ...flawsOfStrangers(found, quoted, columns, primary),
    ...flawsOfLog(found),
    ...flawsOfLink(found, users, quoted, shape),
  );
  for (const { columns } of missingKeys(found)) {
    if (!columns.every((name) => there.has(name))) continue;
    const useless = keysOf(found).filter((key) => sameColumns(key.columns, columns));
    const why = useless.map(({ name, flaw }) => `, for ${name} ${flaw}`).join('');
    flaws.push({
      what: `it has no unique key on (${columns.join(', ')})${why}`,
      cure: `ALTER TABLE ${quoted} ADD ${unique(columns)}`,
      upgradable: true,
    });
  }
  return flaws;
}

/** The unique keys that keep nothing apart, or are not there. */
export function missingKeys(found: Found): typeof KEYS {
  const keys = keysOf(found).filter(({ flaw }) => flaw === '');
  return KEYS.filter(({ columns }) => !keys.some((key) => sameColumns(key.columns, columns)));
}

export function unique(columns: readonly string[], name = ''): string {
  return `UNIQUE KEY ${name && `\`${name}\` `}(${columns.join(', ')})`;
}

/** The unique indexes, each with why it does not keep rows apart, or an empty string. */
function keysOf({ statistics }: Found): { name: string; columns: string[]; flaw: string }[] {
  const rows = statistics.filter(({ NON_UNIQUE }) => Number(NON_UNIQUE) === 0);
  const names = [...new Set(rows.map(({ INDEX_NAME }) => String(INDEX_NAME)))];
  return names.map((name) => {
    const parts = rows.filter(({ INDEX_NAME }) => INDEX_NAME === name);
    return { name, columns: parts.map(({ COLUMN_NAME }) => String(COLUMN_NAME)), flaw: flawOfIndex(parts) };
  });
}

function flawOfIndex(parts: readonly Statistic[]): string {
  if (parts.some(({ SUB_PART }) => SUB_PART !== null)) return 'is on the beginning of a column';
  if (parts.some(({ IS_VISIBLE, IGNORED }) => IS_VISIBLE === 'NO' || IGNORED === 'YES'))
    return 'is hidden from queries';
  return '';
}

/** Where a column stands. `before`: statements that free it. */
interface ColumnPlace {
  readonly quoted: string;
  readonly columns: readonly Column[];
  readonly primary: readonly FoundColumn[];
  readonly before: string;
}

function flawsOfColumn(
  { name, made, fits, option }: Column,
  there: FoundColumn | undefined,
  { quoted, columns, primary, before }: ColumnPlace,
): Flaw[] {
  if (!there) return [missingColumn({ name: sqlName(name), made }, quoted)];
  const modify = (to: string) => modifySql(there, { name, made: to }, quoted);
  const cure = modify(made);
  const [, preset] = /DEFAULT (.*)/.exec(made) ?? [];
  const type = [`${there.type}${there.length === null ? '' : `(${there.length})`}`, there.collation].filter(Boolean);
  if (!fits(there)) {
    const what = `its column ${name} (${type.join(' ')}) cannot hold every value as it is`;
    // Rows without a value get it once they can hold it.
    const isLater = preset && there.nullable !== 'NO';
    const altered = isLater ? modify(made.replace(/ NOT NULL.*/, '')) : cure;
    return [{ what, cure: option?.(there) ?? `${before}${altered}` }];
  }
  if (/(VIRTUAL|STORED|PERSISTENT) GENERATED/i.test(there.extra)) {
    // The server makes no other column of one whose values it does not keep.
    const isKept = !/VIRTUAL/i.test(there.extra);
    return [
      { what: `its column ${name} is generated`, cure: isKept ? cure : 'store its values in a column of that name' },
    ];
  }
  if (isRequired(there, [{ name, made }])) {
    const what = `its column ${name} must have a value`;
    if (primary.includes(there)) return [{ what, cure: dropPrimaryKey(there, quoted, columns, primary) }];
    return [{ what, cure: `ALTER TABLE ${quoted} ${toNullable(there)}`, upgradable: true }];
  }
  if (preset && (there.nullable !== 'NO' || there.preset === null)) {
    const filled = `UPDATE ${quoted} SET ${name} = ${preset} WHERE ${name} IS NULL; `;
    return [
      { what: `its column ${name} may be without a value`, cure: `${there.nullable === 'NO' ? '' : filled}${cure}` },
    ];
  }
  return [];
}

/** A column of a primary key cannot be NULL, so the key goes, once for all of its columns. */
function dropPrimaryKey(
  there: FoundColumn,
  quoted: string,
  wanted: readonly Column[],
  primary: readonly FoundColumn[],
): string {
  // The server also keeps a key for a column that it counts up.
  if (primary.some(({ name, extra }) => !isAmong(name, wanted) || /auto_increment/i.test(extra))) {
    return OTHER_PRIMARY_KEY;
  }
  const required = primary.filter((one) => isRequired(one, wanted));
  if (required[0] !== there) return `the statement that drops the primary key for ${required[0]!.name}`;
  return `ALTER TABLE ${quoted} DROP PRIMARY KEY, ${required.map(toNullable).join(', ')}`;
}

/** Of the columns that are used. An existing row is updated to its own values, so the right to update is needed too. */
function flawsOfRights(columns: readonly FoundColumn[], quoted: string, wanted: readonly Column[]): Flaw[] {
  const used = columns.filter(({ name }) => isAmong(name, wanted));
  const lacks = (right: string) =>
    used.some(({ name, rights }) => (right !== 'update' || name === 'serial') && !rights.toLowerCase().includes(right));
  const lacking = ['select', 'insert', 'update'].filter(lacks).map((right) => right.toUpperCase());
  if (lacking.length === 0) return [];
  const cure = `GRANT ${lacking.join(', ')} ON ${quoted} TO ${accountOf(columns[0]!)}`;
  return [{ what: `this user may not ${lacking.join(' and ')}`, cure }];
}

/** Columns of the owner's own. Without strict mode the server makes a value up. */
function flawsOfStrangers(
  { columns, variables }: Found,
  quoted: string,
  wanted: readonly Column[],
  primary: readonly FoundColumn[],
): Flaw[] {
  if (!variables.get('sql_mode')?.includes('STRICT_')) return [];
  return columns
    .filter(({ name, nullable, preset, extra }) => {
      if (nullable !== 'NO' || preset !== null || /auto_increment|GENERATED/i.test(extra)) return false;
      return !isAmong(name, wanted);
    })
    .map((column) => {
      const freed = primary.includes(column) ? null : `ALTER TABLE ${quoted} ${toNullable(column)}`;
      return strangeColumn(column.name, freed);
    });
}

/** The server takes two names for one that differ in the case of letters. */
function isAmong(name: string, columns: readonly Column[]): boolean {
  return columns.some((column) => column.name.toLowerCase() === name.toLowerCase());
}

/** The server then refuses every row (1665). */
function flawsOfLog({ variables }: Found): Flaw[] {
  const isolation = variables.get('transaction_isolation') ?? variables.get('tx_isolation') ?? '';
  const logs = variables.get('log_bin') === 'ON' && variables.get('sql_log_bin') !== 'OFF';
  if (!logs || variables.get('binlog_format') !== 'STATEMENT' || !/^READ-/.test(isolation)) return [];
  const what = `binlog_format STATEMENT and isolation ${isolation} do not go together`;
  return [{ what, cure: `SET GLOBAL binlog_format = 'ROW'; connections take it when they are opened` }];
}
