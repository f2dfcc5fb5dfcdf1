import { type TableShape, type UserIdType, type UsersTable, userIdOption } from '../own-table.js';

/** A column of the table: how it is made, and which types of a table that is there can hold it. */
export interface Column {
  readonly name: string;
  readonly made: string;
  readonly fits: (type: string) => boolean;
  /** The option under which a column of another type fits, or `null`. */
  readonly option?: (type: string) => string | null;
}

/** The facts of a table in the catalogs. */
export interface Found {
  readonly kind: string;
  readonly temporary: boolean;
  readonly unlogged: boolean;
  readonly inherited: boolean;
  readonly role: string;
  /** This role reads all rows of the table that says which database this is; `null`: there is none. */
  readonly hasStore: boolean | null;
  readonly columns: readonly FoundColumn[];
  readonly keys: readonly FoundKey[];
  readonly foreign: readonly FoundReference[];
  /** It has the index of the coupons whose grant is free again. */
  readonly findsFreed: boolean;
  /** The column of the users; `null`: it is not there, or none was named. */
  readonly users: { readonly deterministic: boolean; readonly select: boolean } | null;
}

/** A foreign key of the table. */
export interface FoundReference {
  readonly name: string;
  readonly columns: readonly string[];
  /** The column that it refers to, as the option names it. */
  readonly to: string;
  /** It refers to the column of the users. */
  readonly isOfUsers: boolean;
  readonly isEnforced: boolean;
  /** A change of the other table deletes rows of this one. */
  readonly deletes: boolean;
  /** A change of the other table deletes or changes rows of this one. */
  readonly isActive: boolean;
}

export interface FoundColumn {
  readonly name: string;
  readonly type: string;
  readonly notNull: boolean;
  /** A row that does not name it has a value there. */
  readonly filled: boolean;
  readonly generated: boolean;
  readonly deterministic: boolean;
  readonly select: boolean;
  readonly insert: boolean;
}

export interface FoundKey {
  readonly name: string;
  readonly columns: readonly string[];
  /** Why it does not keep rows apart, or an empty string. */
  readonly flaw: string;
}

export const COLUMNS: readonly Column[] = [
  text('campaign_id', 64),
  { name: 'serial', made: 'bigint NOT NULL', fits: (type) => ['bigint', 'numeric'].includes(type) },
  text('user_id', 128),
  // NULL where a coupon was revoked and its grant is free again.
  { name: 'grant_no', made: 'integer', fits: (type) => /^(smallint|integer|bigint|numeric)$/.test(type) },
  text('id', 64),
  { ...text('code', 128), made: 'text COLLATE "C"' },
  {
    name: 'issued_at',
    made: 'timestamptz(3) NOT NULL',
    fits: isInstant,
  },
  text('epoch', 64),
  { name: 'data', made: 'jsonb', fits: (type) => ['jsonb', 'json'].includes(type) },
  { name: 'expires_at', made: 'timestamptz(3)', fits: isInstant },
  { ...text('state', 8), made: `text COLLATE "C" NOT NULL DEFAULT 'issued'` },
  { name: 'state_at', made: 'timestamptz(3)', fits: isInstant },
  { ...text('state_by', 128), made: 'text COLLATE "C"' },
  { ...text('undone', 176), made: 'text COLLATE "C"' },
  { name: 'version', made: 'integer NOT NULL DEFAULT 0', fits: (type) => /^(integer|bigint)$/.test(type) },
  { name: 'unit_returned', made: 'boolean NOT NULL DEFAULT false', fits: (type) => type === 'boolean' },
];

/** The columns of a table of this shape, named as SQL names them. */
export function columnsOf({ userId, users, columns }: TableShape): readonly Column[] {
  const own = columns.map(({ name, type }): Column => ({ name, ...OWN[type] }));
  // Where users are named, their column has this type too, so the option is right.
  const ofUsers = users ? { name: 'user_id' } : { name: 'user_id', option: optionFor };
  return [
    ...COLUMNS.map((column) => (column.name === 'user_id' ? { ...ofUsers, ...USER_IDS[userId] } : column)),
    ...own,
  ];
}

const isType = (...types: string[]) => {
  return (type: string) => types.includes(type);
};
const USER_IDS: Readonly<Record<UserIdType, Omit<Column, 'name'>>> = {
  text: text('user_id', 128),
  bigint: { made: 'bigint NOT NULL', fits: isType('bigint') },
  integer: { made: 'integer NOT NULL', fits: isType('integer', 'bigint') },
  uuid: { made: 'uuid NOT NULL', fits: isType('uuid') },
};
export const typeFor = (type: string) =>
  (['text', 'bigint', 'integer', 'uuid'] as const).find((one) => USER_IDS[one].fits(type)) ?? null;

/** Ids that are no texts would lose their type, and the users of the shop no longer fit them. */
function optionFor(type: string): string | null {
  const fitting = typeFor(type);
  return fitting === null || fitting === 'text' ? null : userIdOption(`type: '${fitting}'`);
}
/** The data of a call has at most 1,024 bytes. */
const OWN: Readonly<Record<TableShape['columns'][number]['type'], Omit<Column, 'name'>>> = {
  text: { made: 'text', fits: text('', 1024).fits },
  bigint: { made: 'bigint', fits: isType('bigint', 'numeric') },
  boolean: { made: 'boolean', fits: isType('boolean') },
};

export function quotedUsers({ schema, name }: UsersTable): string {
  return schema === null ? `"${name}"` : `"${schema}"."${name}"`;
}

/** The foreign key to the users, as it is made. Without an action: a coupon whose user was deleted would be lost. */
export function referenceSql(users: UsersTable): string {
  return `FOREIGN KEY (user_id) REFERENCES ${quotedUsers(users)} ("${users.column}")`;
}

export const KEYS: readonly (readonly string[])[] = [
  ['campaign_id', 'serial'],
  ['campaign_id', 'user_id', 'grant_no'],
  ['campaign_id', 'code'],
];

function isInstant(type: string): boolean {
  return /^timestamp(\([3-6]\))? with time zone$/.test(type);
}

function text(name: string, characters: number): Column {
  const fits = (type: string) => {
    const [, limit = characters] = /^(?:text|character varying(?:\((\d+)\))?)$/.exec(type) ?? [null, 0];
    return Number(limit) >= characters;
  };
  return { name, made: 'text COLLATE "C" NOT NULL', fits };
}

/** The unique indexes of a table. One that is being built, is checked late, or leaves rows out keeps nothing apart. */
export function keysSql(table: string): string {
  return `SELECT i.indexrelid::regclass::text AS name, n.columns,
    CASE WHEN NOT (i.indisvalid AND i.indisready AND i.indislive) THEN 'is invalid'
      WHEN NOT i.indimmediate THEN 'is deferrable'
      WHEN i.indexprs IS NOT NULL THEN 'is on an expression'
      WHEN i.indpred IS NOT NULL AND NOT ('code' = ANY (n.columns) AND pg_get_expr(i.indpred, i.indrelid) = '(code IS NOT NULL)') THEN 'is partial'
      WHEN coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) THEN 'is NULLS NOT DISTINCT'
      WHEN EXISTS (SELECT FROM unnest(i.indcollation::oid[]) o JOIN pg_collation l ON l.oid = o WHERE NOT l.collisdeterministic)
        THEN 'has a collation that takes different texts for the same'
      ELSE '' END AS flaw
    FROM pg_index i, LATERAL (SELECT coalesce(array_agg(a.attname::text ORDER BY a.attname::text), '{}') AS columns FROM pg_attribute a
      WHERE a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])) n
    WHERE i.indrelid = ${table} AND i.indisunique`;
}

/**
 * All that is asked of a table, as JSON in `found`; no row where there is none. As text, because how JSON is parsed is
 * a setting of the driver.
 */
export function foundSql(table: string, store: string, users: UsersTable | null): string {
  const [of, column] = users ? [`to_regclass('${quotedUsers(users)}')`, `'${users.column}'`] : ['NULL::regclass', "''"];
  return `SELECT jsonb_build_object(
    'kind', c.relkind, 'temporary', c.relpersistence = 't', 'role', quote_ident(current_user),
    'hasStore', has_table_privilege(to_regclass('${store}'), 'SELECT') AND NOT row_security_active(to_regclass('${store}')),
    'unlogged', c.relpersistence = 'u' OR EXISTS (SELECT FROM pg_partition_tree(c.oid) p JOIN pg_class k ON k.oid = p.relid WHERE k.relpersistence = 'u'),
    'inherited', c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits h WHERE h.inhparent = c.oid),
    'columns', coalesce((SELECT jsonb_agg(jsonb_build_object(
      'name', a.attname, 'notNull', a.attnotnull,
      'type', CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) ELSE format_type(a.atttypid, a.atttypmod) END,
      'filled', a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL,
      'generated', a.attgenerated <> '' OR a.attidentity = 'a',
      'deterministic', coalesce(l.collisdeterministic, true),
      'select', has_column_privilege(c.oid, a.attnum, 'SELECT'), 'insert', has_column_privilege(c.oid, a.attnum, 'INSERT')))
      FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation l ON l.oid = a.attcollation
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]'),
    'foreign', coalesce((SELECT jsonb_agg(jsonb_build_object('name', f.conname, 'columns', ${namesSql('f.conrelid', 'f.conkey')},
      'to', replace(f.confrelid::regclass::text, '"', '') || '(' || array_to_string(${namesSql('f.confrelid', 'f.confkey')}, ', ') || ')',
      'isOfUsers', f.confrelid = ${of} AND ${namesSql('f.confrelid', 'f.confkey')} = ARRAY[${column}]::text[],
      'deletes', f.confdeltype = 'c', 'isActive', f.confdeltype NOT IN ('a', 'r') OR f.confupdtype NOT IN ('a', 'r'),
      'isEnforced', coalesce((to_jsonb(f) ->> 'conenforced')::boolean, true)))
      FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f'), '[]'),
    'users', (SELECT jsonb_build_object('deterministic', coalesce(l.collisdeterministic, true), 'select', has_column_privilege(a.attrelid, a.attnum, 'SELECT'))
      FROM pg_attribute a LEFT JOIN pg_collation l ON l.oid = a.attcollation
      WHERE a.attrelid = ${of} AND a.attname = ${column} AND a.attnum > 0 AND NOT a.attisdropped),
    'findsFreed', EXISTS (${freedIndexesSql('c.oid')}),
    'keys', coalesce((SELECT jsonb_agg(k) FROM (${keysSql('c.oid')}) k), '[]'))::text AS found
  FROM pg_class c WHERE c.oid = ${table}`;
}

/** The indexes that say at once whether a campaign has a coupon whose grant is free again. Of most there is none. */
export function freedIndexesSql(table: string): string {
  return `SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = ${table} AND a.attname = 'campaign_id' AND i.indisvalid AND pg_get_expr(i.indpred, i.indrelid) = '(grant_no IS NULL)'`;
}

export function freedIndexSql(quoted: string): string {
  return `CREATE INDEX ON ${quoted} (campaign_id) WHERE grant_no IS NULL`;
}

/** The names of columns by their numbers. */
function namesSql(table: string, numbers: string): string {
  return `ARRAY(SELECT a.attname::text FROM unnest(${numbers}) WITH ORDINALITY k(num, n) JOIN pg_attribute a ON a.attrelid = ${table} AND a.attnum = k.num ORDER BY k.n)`;
}

/** Rows without a code are in nobody's way, so the index of codes leaves them out: they would cost each save an entry. */
export function uniqueIndexSql(columns: readonly string[], quoted: string): string {
  return `CREATE UNIQUE INDEX ON ${quoted} ${listed(columns)}${columns.includes('code') ? ' WHERE code IS NOT NULL' : ''}`;
}

export function listed(columns: readonly string[]): string {
  return `(${columns.join(', ')})`;
}

/** A column of the owner may have a word of SQL for a name. */
export function sqlName(name: string): string {
  return COLUMNS.some((column) => column.name === name) ? name : `"${name}"`;
}

export function isNullable({ made }: Pick<Column, 'made'>): boolean {
  return !made.includes('NOT NULL');
}
