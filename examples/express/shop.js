import { randomUUID } from 'node:crypto';

/**
 * Stands in for your table of orders and your payment service. The shop makes the ids of orders, and an order names its user and its coupon from its first
 * moment: so a process that dies leaves an order behind that can be paid again, or cancelled.
 */
export function demoShop() {
  const orders = new Map();
  return {
    async create({ userId, campaignId, code }) {
      const order = { id: randomUUID(), userId, campaignId, code, payment: null };
      orders.set(order.id, order);
      return order;
    },

    find: async (id) => orders.get(id) ?? null,

    /** Whether the order is paid: asked of the bank once, and the same answer ever after. If the bank gives no answer, throw: it may have been paid. */
    async pay(order, card) {
      order.payment ??= card === 'declined' ? 'refused' : 'paid';
      return order.payment === 'paid';
    },

    /** Gives the money back, if there was any. No later payment of this order is taken. */
    async refund(order) {
      order.payment = 'refunded';
    },
  };
}
