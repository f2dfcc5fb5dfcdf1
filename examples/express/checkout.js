import { httpAnswer } from 'coupon-issuer';
import { Router } from 'express';
import { bodyOf, HttpProblem, send } from './problems.js';
import { loggedIn } from './session.js';

/** The routes of a checkout. A request never names a redemption: its id is the id of an order, and the shop makes that. */
export function checkout(issuer, shop) {
  const router = Router();

  // What the user holds, over all campaigns.
  router.get('/coupons', async (req, res) => {
    const coupons = await issuer.coupons({ userId: loggedIn(req) });
    res.json({ coupons: coupons.map(couponOf) });
  });

  router.post('/orders', async (req, res) => {
    const { campaignId, code } = bodyOf(req);
    const { id } = await shop.create({ userId: loggedIn(req), campaignId, code });
    res.status(201).location(`/orders/${id}`).json({ id });
  });

  // Sent again, each step finds its own answer: a redemption by the id of the order, and a payment too.
  router.post('/orders/:id/payment', async (req, res) => {
    const { card } = bodyOf(req);
    const order = await orderOf(shop, req);
    const { userId, campaignId, code, id: redemptionId } = order;
    const launch = issuer.campaign(campaignId);
    const result = await launch.redeem({ userId, code, redemptionId });
    if (result.status !== 'redeemed') return send(res, httpAnswer(result));
    if (!(await shop.pay(order, card))) {
      await launch.unredeem({ code, redemptionId });
      throw new HttpProblem(402, 'the payment was refused, and the coupon can be used for another order');
    }
    res.json({ status: 'paid', coupon: couponOf(result.coupon) });
  });

  // After the unredeem this order cannot redeem its coupon any more, not even by a payment that is on its way. Without a row there is nothing that says so, and
  // no money goes back.
  router.delete('/orders/:id', async (req, res) => {
    const order = await orderOf(shop, req);
    const { userId, campaignId, code, id: redemptionId } = order;
    const result = await issuer.campaign(campaignId).unredeem({ userId, code, redemptionId });
    if (result.status === 'not_saved_yet' || result.status === 'not_found') return send(res, httpAnswer(result));
    await shop.refund(order);
    res.status(204).end();
  });

  return router;
}

async function orderOf(shop, req) {
  const userId = loggedIn(req);
  const order = await shop.find(req.params.id);
  // The order of another user is none.
  if (order?.userId !== userId) throw new HttpProblem(404, 'there is no such order');
  return order;
}

/** For the user: the ids of redemptions and revocations are the shop's. */
function couponOf({ campaignId, code, state, issuedAt, expiresAt }) {
  return { campaignId, code, state, issuedAt, expiresAt };
}
