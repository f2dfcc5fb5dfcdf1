import { SERVER_SENT_EVENTS_HEADERS, serverSentEvents, shownChange } from 'coupon-issuer';
import { sendAnswer } from 'coupon-issuer/fastify';

/** A campaign that issues at once. A repeat under its Idempotency-Key gets the same coupon. */
export async function rushRoutes(app, { campaign: id }) {
  const campaign = app.coupons.campaign(id);

  app.post('/issue', async ({ userId, headers }, reply) =>
    sendAnswer(reply, await campaign.issue({ userId, requestId: headers['idempotency-key'] })),
  );
  app.get('/status', async ({ userId }, reply) => sendAnswer(reply, await campaign.userStatus({ userId })));
}

/** A campaign with a waiting room. */
export async function lineRoutes(app, { campaign: id }) {
  const campaign = app.coupons.campaign(id);

  app.post('/join', async ({ userId, headers }, reply) =>
    sendAnswer(reply, await campaign.join({ userId, requestId: headers['idempotency-key'] })),
  );
  app.get('/status', async ({ userId }, reply) => sendAnswer(reply, await campaign.userStatus({ userId })));
  app.get('/events', async ({ userId }, reply) => {
    const events = serverSentEvents(campaign.watch({ userId }), { data: shownChange });
    return reply.headers(SERVER_SENT_EVENTS_HEADERS).send(events);
  });
}
