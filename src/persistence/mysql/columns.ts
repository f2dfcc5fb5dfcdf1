import type { TableShape } from '../own-table.js';
import type { FoundColumn } from './catalog.js';

/** A column of the table: how it is made, and whether a column that is there can hold every value. */
export interface Column {
  readonly name: string;
  readonly made: string;
  readonly fits: (there: FoundColumn) => boolean;
  /** The option under which a column of another type fits, or `null`. */
  readonly option?: (there: FoundColumn) => string | null;
}

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
    fits: isLongText,
  },
];

export const OWN: Readonly<Record<TableShape['columns'][number]['type'], Omit<Column, 'name'>>> = {
  text: { made: 'text CHARACTER SET utf8mb4', fits: isLongText },
  bigint: { made: 'bigint', fits: (there) => there.type === 'bigint' && !isUnsigned(there) },
  boolean: { made: 'boolean', ...integer('tinyint', 'smallint', 'int') },
};

export function isUnsigned({ full }: FoundColumn): boolean {
  return full.includes('unsigned');
}

/** A column of the owner may have a word of SQL for a name. */
export function sqlName(name: string): string {
  return COLUMNS.some((column) => column.name === name) ? name : `\`${name}\``;
}

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

/** The data of a call has at most 1,024 bytes. */
function isLongText({ type, collation, length }: FoundColumn): boolean {
  return /^(text|varchar|(medium|long)text)$/.test(type) && /^utf8mb4_/.test(collation ?? '') && Number(length) >= 1024;
}

function text(name: keyof typeof WIDTH): Column {
  const fits = ({ type, collation, length }: FoundColumn) =>
    (type === 'varbinary' || (type === 'varchar' && EXACT.test(collation ?? ''))) && Number(length) >= WIDTH[name];
  return { name, made: `varbinary(${WIDTH[name]}) NOT NULL`, fits };
}

/** A column that may be NULL has to have a value. */
export function isRequired({ name, nullable }: FoundColumn, wanted: readonly Pick<Column, 'name' | 'made'>[]): boolean {
  const isWanted = ({ name: own, made }: Pick<Column, 'name' | 'made'>) =>
    own.toLowerCase() === name.toLowerCase() && !made.includes('NOT NULL');
  return nullable === 'NO' && wanted.some(isWanted);
}

/** MariaDB takes bytes for the 16 of a UUID, and reads one from a text alone. */
export function modifySql(
  { type }: FoundColumn,
  { name, made }: Pick<Column, 'name' | 'made'>,
  quoted: string,
): string {
  const modify = `ALTER TABLE ${quoted} MODIFY ${sqlName(name)}`;
  const isSpelled = made.startsWith('uuid') && type === 'varbinary';
  return `${isSpelled ? `${modify} varchar(128) CHARACTER SET ascii NOT NULL; ` : ''}${modify} ${made}`;
}

/** The account of this session, as GRANT names it. */
export function accountOf({ account }: FoundColumn): string {
  const at = account.lastIndexOf('@');
  return [account.slice(0, at), account.slice(at + 1)].map((part) => `'${part.replaceAll("'", "''")}'`).join('@');
}

/** The type stays as it is: the owner may have made it wider. */
export function toNullable({ name, full, collation }: FoundColumn): string {
  return `MODIFY ${sqlName(name)} ${full}${collation === null ? '' : ` COLLATE ${collation}`} NULL`;
}
