import type { UsersTable } from '../own-table.js';

/** The facts of a table in the catalogs. */
export interface Found {
  readonly kind: string;
  readonly temporary: boolean;
  /** The table or partitions of it, as SQL names them. */
  readonly unlogged: readonly string[];
  /** The tables that inherit from it, as SQL names them. */
  readonly heirs: readonly string[];
  readonly role: string;
  /** This role reads all rows of the table that says which database this is; `null`: there is none. */
  readonly hasStore: boolean | null;
  readonly columns: readonly FoundColumn[];
  readonly keys: readonly FoundKey[];
  readonly foreign: readonly FoundReference[];
  /** It has the index of the coupons whose grant is free again. */
  readonly findsFreed: boolean;
  /** `null`: it is not there, or none was named. */
  readonly users: FoundUsers | null;
}

/** The column of the users. */
export interface FoundUsers {
  readonly type: string;
  readonly deterministic: boolean;
  readonly select: boolean;
  /** It has a key that a foreign key can refer to. */
  readonly isUnique: boolean;
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
  /** Its definition without these actions. */
  readonly inactive: string;
}

export interface FoundColumn {
  readonly name: string;
  readonly type: string;
  readonly notNull: boolean;
  /** A row that does not name it has a value there. */
  readonly filled: boolean;
  readonly generated: boolean;
  /** The statement that lets a column be written that the server fills; `null`: it does not fill it, or has no such statement. */
  readonly release: string | null;
  /** Types that the server makes of it without being told how. */
  readonly becomes: readonly string[];
  /** The primary key that it is in, as SQL names it. */
  readonly primary: string | null;
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

export function quotedUsers({ schema, name }: UsersTable): string {
  return schema === null ? `"${name}"` : `"${schema}"."${name}"`;
}

/** The foreign key to the users, as it is made. Without an action: a coupon whose user was deleted would be lost. */
export function referenceSql(users: UsersTable): string {
  return `FOREIGN KEY (user_id) REFERENCES ${quotedUsers(users)} ("${users.column}")`;
}

/** The type of a column, or the one under its domain. */
const BASE_TYPE =
  "CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) ELSE format_type(a.atttypid, a.atttypmod) END";

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
 * a setting of the driver. No question mark is in it: Knex and MikroORM take one for a value.
 */
export function foundSql(table: string, store: string, users: UsersTable | null): string {
  const [of, column] = usersIn(users);
  return `SELECT jsonb_build_object(
    'kind', c.relkind, 'temporary', c.relpersistence = 't', 'role', quote_ident(current_user),
    'hasStore', has_table_privilege(to_regclass('${store}'), 'SELECT') AND NOT row_security_active(to_regclass('${store}')),
    'unlogged', ARRAY(SELECT k.oid::regclass::text FROM pg_class k WHERE k.relpersistence = 'u' AND (k.oid = c.oid OR k.oid IN (SELECT relid FROM pg_partition_tree(c.oid)))),
    'heirs', ARRAY(SELECT h.inhrelid::regclass::text FROM pg_inherits h WHERE h.inhparent = c.oid AND c.relkind = 'r'),
    'columns', coalesce((SELECT jsonb_agg(jsonb_build_object(
      'name', a.attname, 'notNull', a.attnotnull,
      'type', ${BASE_TYPE},
      'filled', a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL,
      'generated', a.attgenerated <> '' OR a.attidentity = 'a',
      'release', CASE WHEN a.attidentity <> '' THEN 'DROP IDENTITY' WHEN a.attgenerated = 's' THEN 'DROP EXPRESSION' END,
      'becomes', ARRAY(SELECT k.casttarget::regtype::text FROM pg_cast k WHERE k.castsource = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END AND k.castcontext <> 'e'),
      'primary', (SELECT quote_ident(f.conname) FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'p' AND a.attnum = ANY (f.conkey)),
      'deterministic', coalesce(l.collisdeterministic, true),
      'select', has_column_privilege(c.oid, a.attnum, 'SELECT'), 'insert', has_column_privilege(c.oid, a.attnum, 'INSERT')))
      FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation l ON l.oid = a.attcollation
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]'),
    'foreign', coalesce((SELECT jsonb_agg(jsonb_build_object('name', f.conname, 'columns', ${namesSql('f.conrelid', 'f.conkey')},
      'to', replace(f.confrelid::regclass::text, '"', '') || '(' || array_to_string(${namesSql('f.confrelid', 'f.confkey')}, ', ') || ')',
      'isOfUsers', f.confrelid = ${of} AND ${namesSql('f.confrelid', 'f.confkey')} = ARRAY[${column}]::text[],
      'deletes', f.confdeltype = 'c', 'isActive', f.confdeltype NOT IN ('a', 'r') OR f.confupdtype NOT IN ('a', 'r'),
      'inactive', regexp_replace(pg_get_constraintdef(f.oid), ' ON (UPDATE|DELETE) (CASCADE|SET (NULL|DEFAULT)( \\([^)]*\\)|))', '', 'g'),
      'isEnforced', coalesce((to_jsonb(f) ->> 'conenforced')::boolean, true)))
      FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f'), '[]'),
    'users', (${usersSql(users)}),
    'findsFreed', EXISTS (${freedIndexesSql('c.oid')}),
    'keys', coalesce((SELECT jsonb_agg(k) FROM (${keysSql('c.oid')}) k), '[]'))::text AS found
  FROM pg_class c WHERE c.oid = ${table}`;
}

function usersIn(users: UsersTable | null): readonly [table: string, column: string] {
  return users ? [`to_regclass('${quotedUsers(users)}')`, `'${users.column}'`] : ['NULL::regclass', "''"];
}

/** The column of the users as JSON, also where the table of coupons is missing. */
export function usersSql(users: UsersTable | null): string {
  const [of, column] = usersIn(users);
  return `SELECT jsonb_build_object('deterministic', coalesce(l.collisdeterministic, true), 'select', has_column_privilege(a.attrelid, a.attnum, 'SELECT'),
      'type', ${BASE_TYPE},
      'isUnique', EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indimmediate AND i.indisvalid
        AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum))
      FROM pg_attribute a JOIN pg_class r ON r.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation l ON l.oid = a.attcollation
      WHERE a.attrelid = ${of} AND r.relkind IN ('r', 'p') AND a.attname = ${column} AND a.attnum > 0 AND NOT a.attisdropped`;
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
