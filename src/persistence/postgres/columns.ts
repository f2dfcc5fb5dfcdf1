import { type TableShape, type UserIdType, userIdOption } from '../own-table.js';

/** A column of the table: how it is made, and which types of a table that is there can hold it. */
export interface Column {
  readonly name: string;
  readonly made: string;
  readonly fits: (type: string) => boolean;
  /** The option under which a column of another type fits, or `null`. */
  readonly option?: (type: string) => string | null;
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

/** Which columns of users a foreign key takes, and the type of an option for each. */
const USERS: readonly (readonly [type: RegExp, option: UserIdType])[] = [
  [/^(text|character varying.*|character\(\d+\))$/, 'text'],
  [/^(smallint|integer)$/, 'integer'],
  [/^(bigint|numeric.*)$/, 'bigint'],
  [/^uuid$/, 'uuid'],
];
const isNumber = (type: UserIdType | null) => type === 'integer' || type === 'bigint';

/** The option for users whose column has this type, or `null`. */
export function typeForUsers(type: string): UserIdType | null {
  return USERS.find(([form]) => form.test(type))?.[1] ?? null;
}

/** Whether a foreign key can join the two types: any number goes with any other. */
export function refersTo(userId: UserIdType, users: string): boolean {
  const fitting = typeForUsers(users);
  return fitting === userId || (isNumber(fitting) && isNumber(userId));
}

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

/** A column of the owner may have a word of SQL for a name. */
export function sqlName(name: string): string {
  return COLUMNS.some((column) => column.name === name) ? name : `"${name}"`;
}

export function isNullable({ made }: Pick<Column, 'made'>): boolean {
  return !made.includes('NOT NULL');
}
