import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils';
import * as engine from '@prisma/schema-engine-wasm/schema_engine_bg';
import pg from 'pg';
import { blocksUnder, exchanged, folder, schema } from './schemas.js';

const [plain, ofCodes, own] = blocksUnder('Prisma');
const HEAD = 'datasource db {\n  provider = "postgresql"\n}\n';
const FILTERS = { externalTables: [], externalEnums: [] };

// The engine of migrations, as the package of Prisma for runtimes without binaries has it.
const wasm = createRequire(import.meta.url)
  .resolve('@prisma/schema-engine-wasm/schema_engine_bg')
  .replace('.js', '.wasm');
const { instance } = await WebAssembly.instantiate(readFileSync(wasm), { './schema_engine_bg.js': engine });
engine.__wbg_set_wasm(instance.exports);
instance.exports.__wbindgen_start();

for (const [name, preview] of [
  ['Prisma', false],
  ['Prisma with partialIndexes', true],
]) {
  schema(name, {
    async define(shop) {
      const model = preview ? exchanged(plain, '  @@unique', `${ofCodes}  @@unique`) : plain;
      const text = shop === 'default' ? model : exchanged(model, /^ +userId .*\n/m, own);
      const coupons = shop === 'default' ? '' : '  coupons CouponIssuance[]\n';
      const users = `model User {\n  id BigInt @id\n${coupons}  @@map("users")\n}\n`;
      const generator = `generator client {\n  provider = "prisma-client-js"\n  output = "./client"\n${
        preview ? '  previewFeatures = ["partialIndexes"]\n' : ''
      }}\n`;
      return { dir: folder(), text: [HEAD, generator, text, users].join('\n') };
    },
    make: async ({ text }, { url, pool }) => {
      await pool.query(await difference({ from: { tag: 'empty' }, text, url }));
    },
    async changes({ text }, url) {
      const sql = await difference({ from: { tag: 'schemaDatasource', ...files(text), configDir: '/' }, text, url });
      return sql === '-- This is an empty migration.\n' ? [] : [sql];
    },
    async rows({ dir, text }, url) {
      writeFileSync(join(dir, 'schema.prisma'), text);
      const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: '/bin/true' };
      execFileSync('npx', ['prisma', 'generate', '--schema', join(dir, 'schema.prisma')], { env, stdio: 'pipe' });
      const { PrismaClient } = (await import(pathToFileURL(join(dir, 'client/index.js')))).default;
      const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) });
      try {
        return await prisma.couponIssuance.findMany();
      } finally {
        await prisma.$disconnect();
      }
    },
  });
}

function files(text) {
  return { files: [{ path: 'schema.prisma', content: text }] };
}

/** As `prisma migrate diff --script`. */
async function difference({ from, text, url }) {
  const pool = new CatalogPool({ connectionString: url });
  const adapter = bindMigrationAwareSqlAdapterFactory(new CatalogAdapter(pool));
  const migrations = await engine.SchemaEngine.new({ datamodels: [['schema.prisma', text]] }, () => {}, adapter);
  try {
    const to = { tag: 'schemaDatamodel', ...files(text) };
    return (await migrations.diff({ from, to, script: true, exitCode: null, filters: FILTERS })).stdout;
  } finally {
    migrations.free();
    await pool.end();
  }
}

// The engine reads columns of the type "char" of the catalogs, which the adapter does not know. No column that it reads is a time.
const INTERNAL_CHAR = 18;
const TIME = 1083;

class CatalogPool extends pg.Pool {
  async query(...asked) {
    const result = await super.query(...asked);
    for (const field of result.fields ?? []) if (field.dataTypeID === INTERNAL_CHAR) field.dataTypeID = TIME;
    return result;
  }
}

class CatalogAdapter extends PrismaPg {
  async connect() {
    const adapter = await super.connect();
    const queryRaw = adapter.queryRaw.bind(adapter);
    adapter.queryRaw = async (query) => {
      const { columnTypes, ...rest } = await queryRaw(query);
      const { Time, Character } = ColumnTypeEnum;
      return { ...rest, columnTypes: columnTypes.map((type) => (type === Time ? Character : type)) };
    };
    return adapter;
  }
}
