import { sendAnswer } from 'coupon-issuer/fastify';
import { drizzleTransaction } from 'coupon-issuer/postgres';
import { and, eq } from 'drizzle-orm';
import { orders } from './schema.js';

const ORDER = { type: 'object', properties: { id: { type: 'string', format: 'uuid' } } };
const CODE = { type: 'object', required: ['code'], properties: { code: { type: 'string', maxLength: 64 } } };

/** The id of a redemption is the id of an order, and the shop makes that. */
export async function orderRoutes(app, { campaign: id, db }) {
  const campaign = app.coupons.campaign(id);

  app.post('/', async ({ userId }, reply) => {
    const [order] = await db.insert(orders).values({ userId, price: 10_000 }).returning({ id: orders.id });
    return reply.code(201).send(order);
  });

  // The order and its coupon are committed together, or neither is. A repeat finds the coupon of the first time.
  app.post('/:id/checkout', { schema: { params: ORDER, body: CODE } }, async ({ userId, params, body }, reply) => {
    const result = await db.transaction(async (tx) => {
      const isOwn = and(eq(orders.id, params.id), eq(orders.userId, userId));
      const [order] = await tx.select().from(orders).where(isOwn).for('update');
      if (!order) return null;
      const coupon = order.couponId === null ? { code: body.code } : { id: order.couponId };
      const within = drizzleTransaction(tx);
      const redeemed = await campaign.redeem({ userId, ...coupon, redemptionId: order.id, within });
      if (redeemed.status === 'redeemed') await tx.update(orders).set({ couponId: redeemed.coupon.id }).where(isOwn);
      return redeemed;
    });
    return result === null ? reply.callNotFound() : sendAnswer(reply, result);
  });
}
