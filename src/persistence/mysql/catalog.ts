import { type Flaw, missingColumn, sameColumns } from '../fit.js';

/** A column of the table: how it is made, and whether a column that is there can hold every value. */
interface Column {
  readonly name: string;
  readonly made: string;
  readonly fits: (there: FoundColumn) => boolean;
}

/** The facts of a table, as the server gives them. */
export interface Found {
  readonly kind: string;
  readonly engine: string | null;
  readonly columns: readonly FoundColumn[];
  /** The columns of indexes, each with its index. */
  readonly statistics: readonly Statistic[];
  readonly variables: ReadonlyMap<string, string>;
}

export interface FoundColumn {
  readonly name: string;
  readonly type: string;
  /** The type as it is written. */
  readonly full: string;
  readonly collation: string | null;
  readonly length: number | string | null;
  readonly fraction: number | string | null;
  readonly nullable: string;
  readonly preset: string | null;
  readonly extra: string;
  readonly rights: string;
}

/** A row of `information_schema.STATISTICS`; which columns it has differs between servers and versions. */
export type Statistic = Readonly<Record<string, unknown>>;

/** Bytes of each column of text. */
export const WIDTH = {
  campaign_id: 64,
  user_id: 128,
  id: 64,
  code: 128,
  epoch: 64,
  state: 8,
  state_by: 128,
  undone: 176,
};

const integer = (...types: string[]) => ({ fits: ({ type }: FoundColumn) => types.includes(type) });

export const COLUMNS: readonly Column[] = [
  text('campaign_id'),
  { name: 'serial', made: 'bigint NOT NULL', ...integer('bigint') },
  text('user_id'),
  // NULL where a coupon was revoked and its grant is free again.
  { name: 'grant_no', made: 'int', ...integer('tinyint', 'smallint', 'mediumint', 'int', 'bigint') },
  text('id'),
  { ...text('code'), made: `varbinary(${WIDTH.code})` },
  { ...instant('issued_at'), made: 'datetime(3) NOT NULL' },
  text('epoch'),
  instant('expires_at'),
  { ...text('state'), made: `varbinary(${WIDTH.state}) NOT NULL DEFAULT 'issued'` },
  instant('state_at'),
  { ...text('state_by'), made: `varbinary(${WIDTH.state_by})` },
  { ...text('undone'), made: `varbinary(${WIDTH.undone})` },
  { name: 'version', made: 'int NOT NULL DEFAULT 0', ...integer('int', 'bigint') },
  { name: 'unit_returned', made: 'tinyint NOT NULL DEFAULT 0', ...integer('tinyint', 'smallint', 'int') },
  {
    name: 'data',
    made: 'text CHARACTER SET utf8mb4 COLLATE utf8mb4_bin',
    // Bytes cannot be written to the type JSON of MySQL. That of MariaDB is a text.
    fits: ({ type, collation, length }) =>
      /^(text|varchar|(medium|long)text)$/.test(type) && /^utf8mb4_/.test(collation ?? '') && Number(length) >= 1024,
  },
];

export const KEYS: readonly { readonly name: string; readonly columns: readonly string[] }[] = [
  { name: '', columns: ['campaign_id', 'serial'] },
  { name: 'by_user', columns: ['campaign_id', 'user_id', 'grant_no'] },
  { name: 'by_id', columns: ['campaign_id', 'id'] },
  { name: 'by_code', columns: ['campaign_id', 'code'] },
];

/** Other binary collations take two texts for the same if one ends with a space. */
const EXACT = /^utf8mb4_(nopad_bin|0900_bin)$/;

/** A timestamp ends in 2038, and its value depends on the time zone of the session. */
function instant(name: string): Column {
  const fits = ({ type, fraction }: FoundColumn) => type === 'datetime' && Number(fraction) >= 3;
  return { name, made: 'datetime(3)', fits };
}

function text(name: keyof typeof WIDTH): Column {
  const fits = ({ type, collation, length }: FoundColumn) =>
    (type === 'varbinary' || (type === 'varchar' && EXACT.test(collation ?? ''))) && Number(length) >= WIDTH[name];
  return { name, made: `varbinary(${WIDTH[name]}) NOT NULL`, fits };
}

/** The missing parts of a table, in the words of an operator; `quoted` names it in statements. */
export function flawsOf(found: Found | null, quoted: string): Flaw[] {
  if (!found) return [{ what: 'it does not exist, or this user has no right to it', cure: 'createTable(), or GRANT' }];
  if (!/^(BASE TABLE|SYSTEM VERSIONED)$/.test(found.kind)) {
    return [{ what: 'it is not a table, so it has no unique keys', cure: 'name the table that holds the rows' }];
  }
  const flaws: Flaw[] = [];
  if (found.engine?.toLowerCase() !== 'innodb') {
    flaws.push({ what: `its engine is ${found.engine}`, cure: `ALTER TABLE ${quoted} ENGINE = InnoDB` });
  }
  const there = new Map(found.columns.map((column) => [column.name, column]));
  flaws.push(...COLUMNS.flatMap((column) => flawsOfColumn(column, there.get(column.name), quoted)));
  flaws.push(...flawsOfRights(found.columns, quoted), ...flawsOfStrangers(found, quoted), ...flawsOfLog(found));
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

function flawsOfColumn({ name, made, fits }: Column, there: FoundColumn | undefined, quoted: string): Flaw[] {
  const cure = `ALTER TABLE ${quoted} MODIFY ${name} ${made}`;
  if (!there) return [missingColumn({ name, made }, quoted)];
  const type = [`${there.type}${there.length === null ? '' : `(${there.length})`}`, there.collation].filter(Boolean);
  if (!fits(there)) return [{ what: `its column ${name} (${type.join(' ')}) cannot hold every value as it is`, cure }];
  if (/(VIRTUAL|STORED|PERSISTENT) GENERATED/i.test(there.extra)) {
    return [{ what: `its column ${name} is generated`, cure }];
  }
  if (isRequired(there)) {
    const alter = `ALTER TABLE ${quoted} ${toNullable(there)}`;
    return [{ what: `its column ${name} must have a value`, cure: alter, upgradable: true }];
  }
  if (made.includes('DEFAULT') && (there.nullable !== 'NO' || there.preset === null)) {
    return [{ what: `its column ${name} may be without a value`, cure }];
  }
  return [];
}

/** A column that may be NULL has to have a value. */
export function isRequired({ name, nullable }: FoundColumn): boolean {
  return nullable === 'NO' && COLUMNS.some((column) => column.name === name && !column.made.includes('NOT NULL'));
}

/** The type stays as it is: the owner may have made it wider. */
export function toNullable({ name, full, collation }: FoundColumn): string {
  return `MODIFY ${name} ${full}${collation === null ? '' : ` COLLATE ${collation}`} NULL`;
}

/** Of the columns that are used. An existing row is updated to its own values, so the right to update is needed too. */
function flawsOfRights(columns: readonly FoundColumn[], quoted: string): Flaw[] {
  const used = columns.filter(({ name }) => COLUMNS.some((one) => one.name === name));
  const lacks = (right: string) =>
    used.some(({ name, rights }) => (right !== 'update' || name === 'serial') && !rights.toLowerCase().includes(right));
  const lacking = ['select', 'insert', 'update'].filter(lacks).map((right) => right.toUpperCase());
  if (lacking.length === 0) return [];
  const cure = `GRANT ${lacking.join(', ')} ON ${quoted} TO …`;
  return [{ what: `this user may not ${lacking.join(' and ')}`, cure }];
}

/** Columns of the owner's own. Without strict mode the server makes a value up. */
function flawsOfStrangers({ columns, variables }: Found, quoted: string): Flaw[] {
  if (!variables.get('sql_mode')?.includes('STRICT_')) return [];
  return columns
    .filter(({ name, nullable, preset, extra }) => {
      if (nullable !== 'NO' || preset !== null || /auto_increment|GENERATED/i.test(extra)) return false;
      return !COLUMNS.some((one) => one.name === name);
    })
    .map(({ name }) => ({
      what: `its column ${name} has neither a default nor may it be NULL`,
      cure: `ALTER TABLE ${quoted} ALTER COLUMN \`${name}\` SET DEFAULT …`,
    }));
}

/** The server then refuses every row (1665). */
function flawsOfLog({ variables }: Found): Flaw[] {
  const isolation = variables.get('transaction_isolation') ?? variables.get('tx_isolation') ?? '';
  const logs = variables.get('log_bin') === 'ON' && variables.get('sql_log_bin') !== 'OFF';
  if (!logs || variables.get('binlog_format') !== 'STATEMENT' || !/^READ-/.test(isolation)) return [];
  const what = `binlog_format STATEMENT and isolation ${isolation} do not go together`;
  return [{ what, cure: `SET GLOBAL binlog_format = 'ROW'; connections take it when they are opened` }];
}
