/** The facts of a table, as the server gives them. */
export interface Found {
  readonly kind: string;
  readonly engine: string | null;
  readonly columns: readonly FoundColumn[];
  /** The columns of indexes, each with its index. */
  readonly statistics: readonly Statistic[];
  readonly variables: ReadonlyMap<string, string>;
  /** `null`: this user may not see them. */
  readonly references: readonly FoundReference[] | null;
}

export interface FoundColumn {
  readonly schemaName: string;
  readonly tableName: string;
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
  /** Empty for a column that begins no key. */
  readonly keyed: string;
  /** The account of this session. */
  readonly account: string;
}

/** A row of `information_schema.STATISTICS`; which columns it has differs between servers and versions. */
export type Statistic = Readonly<Record<string, unknown>>;

/** A foreign key of the table, as the server writes it. */
export interface FoundReference {
  readonly name: string;
  readonly columns: readonly string[];
  /** `null`: the schema of the table itself. */
  readonly schema: string | null;
  readonly table: string;
  readonly users: readonly string[];
  /** A change of the other table deletes rows of this one. */
  readonly deletes: boolean;
  /** A change of the other table deletes or changes rows of this one. */
  readonly isActive: boolean;
  /** Its definition without these actions. */
  readonly inactive: string;
}
