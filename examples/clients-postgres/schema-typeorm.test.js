import { DataSource } from 'typeorm';
import { blocksUnder, compiled, exchanged, schema } from './schemas.js';

const [plain, own] = blocksUnder('TypeORM');
const USER = `
@Entity('users')
export class User {
  @PrimaryColumn({ type: 'bigint', primaryKeyConstraintName: 'users_pkey' })
  id!: string;
}
`;

schema('TypeORM', {
  async define(shop) {
    const column = /^ +@Column\(.*'user_id' \}\)\n +userId!: string;\n/m;
    const text = shop === 'default' ? plain : exchanged(plain, column, own);
    return (await compiled(exchanged(text, "\n@Entity('coupon_issuances')", `${USER}\n@Entity('coupon_issuances')`)))
      .exported;
  },
  make: (entities, { url }) => connected(entities, url, (dataSource) => dataSource.synchronize()),
  changes: (entities, url) =>
    connected(entities, url, async ({ driver }) => {
      const { upQueries } = await driver.createSchemaBuilder().log();
      return upQueries.map(({ query }) => query);
    }),
  rows: (entities, url) =>
    connected(entities, url, (dataSource) => dataSource.getRepository(entities.CouponIssuance).find()),
});

async function connected(entities, url, work) {
  const dataSource = new DataSource({ type: 'postgres', url, entities: Object.values(entities) });
  await dataSource.initialize();
  try {
    return await work(dataSource);
  } finally {
    await dataSource.destroy();
  }
}
