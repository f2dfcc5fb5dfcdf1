import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PrismaMariaDb } from '@prisma/adapter-mariadb';
import { blocksUnder, catalogOf, exchanged, folder, schema, unsigned } from './schemas.js';

const [plain, own] = blocksUnder('Prisma');
const headOf = (dir) => `datasource db {
  provider = "mysql"
}
generator client {
  provider = "prisma-client-js"
  output   = "./client"
}
generator models {
  provider = "node ${join(import.meta.dirname, 'dmmf.js')}"
  output   = "${join(dir, 'models.json')}"
}
`;

schema('Prisma', {
  async define(shop) {
    const dir = folder();
    const isUnsigned = shop === 'unsigned users';
    const text = shop === 'default' ? plain : exchanged(plain, /^ +userId .*\n/m, own);
    const coupons = shop === 'default' ? '' : '  coupons CouponIssuance[]\n';
    const users = `model User {\n  id BigInt @id${isUnsigned ? ' @db.UnsignedBigInt' : ''}\n${coupons}  @@map("users")\n}\n`;
    writeFileSync(
      join(dir, 'schema.prisma'),
      [headOf(dir), isUnsigned ? unsigned('Prisma', text) : text, users].join('\n'),
    );
    const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: '/bin/true' };
    execFileSync('npx', ['prisma', 'generate', '--schema', join(dir, 'schema.prisma')], { env, stdio: 'pipe' });
    const { PrismaClient } = (await import(pathToFileURL(join(dir, 'client/index.js')))).default;
    return { text, PrismaClient, models: JSON.parse(readFileSync(join(dir, 'models.json'), 'utf8')) };
  },
  async changes(definition, { pool }) {
    const [model, table] = [linesOfModels(definition), linesOfCatalog(await catalogOf(pool))];
    assert.ok(table.length > 20);
    return [
      ...model.filter((line) => !table.includes(line)).map((line) => `only in the model: ${line}`),
      ...table.filter((line) => !model.includes(line)).map((line) => `only in the table: ${line}`),
    ];
  },
  async rows({ PrismaClient }, url) {
    const { hostname: host, port, username: user, pathname } = new URL(url);
    const adapter = new PrismaMariaDb({ host, port: Number(port), user, database: pathname.slice(1) });
    const prisma = new PrismaClient({ adapter });
    try {
      const all = await prisma.couponIssuance.findMany();
      const { code } = all[0];
      assert.deepEqual(await prisma.couponIssuance.findMany({ where: { campaignId: Buffer.from('launch'), code } }), [
        all[0],
      ]);
      return all;
    } finally {
      await prisma.$disconnect();
    }
  },
});

/** A column, key or foreign key in a line each, as the models say. A model says nothing of collations and checks. */
function linesOfModels({ text, models: { models, indexes } }) {
  const modelOf = (name) => models.find((model) => model.name === name);
  const named = ({ fields }, names) => names.map((name) => sqlName(fields.find((field) => field.name === name)));
  const ours = models.filter(({ name }) => name !== 'User');
  return [
    ...ours.flatMap(({ dbName, fields }) =>
      fields.filter(({ kind }) => kind === 'scalar').map((field) => `${dbName} ${sqlName(field)} ${columnOf(field)}`),
    ),
    ...indexes
      .filter(({ model }) => model !== 'User')
      .map(({ model, type, dbName, fields }) => {
        const columns = named(
          modelOf(model),
          fields.map(({ name }) => name),
        );
        const key = type === 'id' ? 'PRIMARY' : dbName;
        return `${modelOf(model).dbName} ${key}${type === 'normal' ? '' : ' unique'} (${columns})`;
      }),
    ...ours.flatMap((model) =>
      model.fields
        .filter(({ relationFromFields }) => relationFromFields?.length)
        .map(({ type, relationFromFields, relationToFields, relationOnDelete, relationOnUpdate }) => {
          const [, name] = text.match(/@relation\(.*map: "(\w+)"\)/);
          const [from, to] = [named(model, relationFromFields), named(modelOf(type), relationToFields)];
          const actions = `${relationOnDelete} ${relationOnUpdate}`.toUpperCase();
          return `${model.dbName} ${name} (${from}) to ${modelOf(type).dbName} (${to}) ${actions}`;
        }),
    ),
  ];
}

const sqlName = ({ name, dbName }) => dbName ?? name;
/** The types that Prisma takes where a model names none. */
const TYPES = { BigInt: 'bigint', Int: 'int' };
const NATIVE = { UnsignedBigInt: 'bigint unsigned' };

function columnOf({ type, nativeType, isRequired, default: preset }) {
  const [native, sizes] = nativeType ?? [];
  const size = sizes?.length > 0 ? `(${sizes})` : '';
  const sqlType = native ? `${NATIVE[native] ?? native.toLowerCase()}${size}` : TYPES[type];
  return `${sqlType} ${isRequired ? 'NO' : 'YES'} ${presetOf(typeof preset === 'object' ? 'dbgenerated' : preset)}`;
}

/** Of a default that is no number, a model says that there is one. */
function presetOf(preset = 'NULL') {
  return /^(\d+|NULL)$/.test(preset) ? preset : 'any';
}

/** The same lines, as the catalogs of the server say. */
function linesOfCatalog({ columns, keys, references }) {
  const all = (lines) => lines.map((line) => line.split(' '));
  const names = new Map();
  for (const [table, name, nonUnique, place, column] of all(keys)) {
    const key = `${table} ${name}${nonUnique === '0' ? ' unique' : ''}`;
    const parts = names.get(key) ?? [];
    parts[place - 1] = column;
    names.set(key, parts);
  }
  return [
    ...columns.map((line) => {
      const [, table, name, type, nullable, preset] = line.match(/^(\S+) (\S+) (.+) (YES|NO) (\S+) \S+ $/);
      return `${table} ${name} ${type.replace(/int\(\d+\)/, 'int')} ${nullable} ${presetOf(preset)}`;
    }),
    ...[...names].map(([key, parts]) => `${key} (${parts})`),
    ...all(references).map(
      ([table, name, column, users, id, onDelete, onUpdate]) =>
        `${table} ${name} (${column}) to ${users} (${id}) ${onDelete} ${onUpdate}`,
    ),
  ];
}
