import { httpAnswer, PROBLEMS } from 'coupon-issuer';
import express from 'express';
import { checkout } from './checkout.js';
import { linesOf } from './lines.js';
import { answerProblem, bodyOf, HttpProblem, send } from './problems.js';
import { demoShop } from './shop.js';

/** The routes. Those of the operator (everything but issuing, looking and the checkout) belong behind your own authentication. */
export function createApp({ issuer, shop = demoShop(), log = console.error }) {
  const app = express();
  app.disable('x-powered-by');
  // Codes are worth money: no answer stays in a cache on the way.
  app.use((_req, res, next) => {
    res.set('Cache-Control', 'no-store');
    next();
  });
  // A list of any length is sent as text, and loaded while it arrives; an array of codes is kept whole, so it is short. Sent again under its Idempotency-Key, a load that was cut off goes on where it stopped.
  app.post('/campaigns/:id/codes', express.json({ limit: '1mb' }), async (req, res) => {
    // What is left of a body that was refused is not read.
    if (req.is('text/plain')) res.set('Connection', 'close');
    const loadId = req.get('Idempotency-Key');
    res.json(await issuer.campaign(req.params.id).loadCodes(codesOf(req), loadId === undefined ? {} : { loadId }));
  });

  app.use(express.json());

  app.post('/campaigns', async (req, res) => {
    const { id, ...definition } = bodyOf(req);
    const { status, campaign } = await issuer.campaign(id).open(definition);
    res
      .status(status === 'opened' ? 201 : 200)
      .location(`/campaigns/${campaign.id}`)
      .json({ status, campaign });
  });

  app.get('/campaigns/:id', async (req, res) => {
    res.json(await issuer.campaign(req.params.id).inspect());
  });

  app.post('/campaigns/:id/coupons', async (req, res) => {
    const { userId } = bodyOf(req);
    const requestId = req.get('Idempotency-Key');
    const campaignId = req.params.id;
    const result = await issuer.campaign(campaignId).issue({ userId, ...(requestId !== undefined && { requestId }) });
    const answer = httpAnswer(result);
    const { status, issuance, issuances } = answer.body;
    if (issuance) {
      res.location(`/campaigns/${campaignId}/users/${encodeURIComponent(userId)}`);
      return send(res, { ...answer, body: { status, coupon: couponOf(issuance) } });
    }
    send(res, issuances ? { ...answer, body: { status, coupons: issuances.map(couponOf) } } : answer);
  });

  app.get('/campaigns/:id/users/:userId', async (req, res) => {
    const { id: campaignId, userId } = req.params;
    const { status, issuances } = await issuer.campaign(campaignId).userStatus({ userId });
    res.json({ status, coupons: issuances.map(couponOf) });
  });

  app.post('/campaigns/:id/pause', async (req, res) => {
    await issuer.campaign(req.params.id).pause();
    res.status(204).end();
  });

  app.post('/campaigns/:id/resume', async (req, res) => {
    await issuer.campaign(req.params.id).resume();
    res.status(204).end();
  });

  app.post('/campaigns/:id/close', async (req, res) => {
    await issuer.campaign(req.params.id).closeForGood({ ...bodyOf(req) });
    res.status(204).end();
  });

  app.use(checkout(issuer, shop));

  app.get('/problems/:name', (req, res) => {
    const { name } = req.params;
    if (!Object.hasOwn(PROBLEMS, name)) throw new HttpProblem(404, 'there is no such problem');
    res.json(PROBLEMS[name]);
  });

  app.use((req) => {
    throw new HttpProblem(404, `there is nothing at ${req.method} ${req.path}`);
  });
  app.use(answerProblem(log));
  return app;
}

function codesOf(req) {
  if (req.is('text/plain')) return linesOf(req);
  if (Array.isArray(req.body)) return req.body;
  throw new HttpProblem(415, 'send the codes as text/plain, one a line, or as a JSON array of strings');
}

function couponOf({ serial, grant, code, issuedAt, state }) {
  return { serial, grant, code, issuedAt, state };
}
