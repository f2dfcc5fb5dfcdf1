/** The columns have the names of an issuance's fields, so that rows need no mapping. The unique keys are what makes overselling impossible. */
export async function up(db) {
  await db.schema
    .createTable('coupons')
    .addColumn('campaignId', 'text', (column) => column.notNull())
    .addColumn('id', 'text', (column) => column.notNull())
    .addColumn('serial', 'bigint', (column) => column.notNull())
    .addColumn('userId', 'text', (column) => column.notNull())
    .addColumn('grant', 'integer')
    .addColumn('code', 'text')
    .addColumn('issuedAt', 'timestamptz(3)', (column) => column.notNull())
    .addColumn('epoch', 'text', (column) => column.notNull())
    // What became of the coupon after its issue.
    .addColumn('expiresAt', 'timestamptz(3)')
    .addColumn('state', 'text', (column) => column.notNull().defaultTo('issued'))
    .addColumn('stateAt', 'timestamptz(3)')
    .addColumn('stateBy', 'text')
    .addColumn('undone', 'text', (column) => column.notNull().defaultTo(''))
    .addColumn('version', 'integer', (column) => column.notNull().defaultTo(0))
    .addColumn('unitReturned', 'boolean', (column) => column.notNull().defaultTo(false))
    .addPrimaryKeyConstraint('coupons_id', ['campaignId', 'id'])
    .addUniqueConstraint('coupons_serial', ['campaignId', 'serial'])
    .addUniqueConstraint('coupons_grant', ['campaignId', 'userId', 'grant'])
    .addUniqueConstraint('coupons_code', ['campaignId', 'code'])
    .execute();
}
