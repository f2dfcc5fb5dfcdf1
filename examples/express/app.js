import { PROBLEMS } from 'coupon-issuer';
import { nodeHandler } from 'coupon-issuer/web';
import express from 'express';
import { checkout } from './checkout.js';
import { linesOf } from './lines.js';
import { answerProblem, bodyOf, HttpProblem } from './problems.js';
import { userOf } from './session.js';
import { demoShop } from './shop.js';

/** The routes. The routes of the operator, all below `/campaigns`, belong behind your own authentication. */
export function createApp({ issuer, shop = demoShop(), log = console.error }) {
  const app = express();
  app.disable('x-powered-by');
  // Codes are worth money: no answer stays in a cache on the way.
  app.use((_req, res, next) => {
    res.set('Cache-Control', 'no-store');
    next();
  });

  const coupons = nodeHandler(issuer, {
    // A sale for the staff is not public, though its id may be known.
    campaigns: (id) => !id.startsWith('staff-'),
    user: userOf,
    onError: (error, { instance }) => log(`${instance} ${error?.name}: ${error?.message}`),
  });
  // Its other paths go on to the routes below.
  app.use('/coupons', coupons);

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
