import { EntitySchema } from 'typeorm';

/** The unique keys are what makes overselling impossible. Without decorators, so that plain JavaScript can read it. */
export const Coupon = new EntitySchema({
  name: 'Coupon',
  tableName: 'coupons',
  columns: {
    campaignId: { type: 'text', primary: true },
    id: { type: 'text', primary: true },
    // A `bigint` comes as a string, because not every one is an exact number; serials are.
    serial: { type: 'bigint', transformer: { from: Number, to: (serial) => serial } },
    userId: { type: 'text' },
    grant: { type: 'integer' },
    code: { type: 'text', nullable: true },
    issuedAt: { type: 'timestamptz', precision: 3 },
    epoch: { type: 'text' },
  },
  uniques: [
    { name: 'coupons_serial', columns: ['campaignId', 'serial'] },
    { name: 'coupons_grant', columns: ['campaignId', 'userId', 'grant'] },
    { name: 'coupons_code', columns: ['campaignId', 'code'] },
  ],
});
