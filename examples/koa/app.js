import { Router } from '@koa/router';
import { InvalidArgumentError, PROBLEMS } from 'coupon-issuer';
import { nodeHandler } from 'coupon-issuer/web';
import Koa from 'koa';
import { Meter } from './meter.js';
import { pages } from './pages.js';
import { answerProblems, HttpProblem } from './problems.js';
import { bodyOf, guard, identify } from './requests.js';

/** How it shows that a visitor closed the page. */
const GONE = ['ERR_STREAM_PREMATURE_CLOSE', 'ECONNRESET', 'EPIPE'];

/** The pages, what they ask for, and what an operator does. */
export function createApp({ issuer, campaignId, operatorToken, log = console.error }) {
  const app = new Koa();
  // What fails after the answer has begun.
  app.on('error', (error) => {
    if (!GONE.includes(error.code)) log(`${error.name}: ${error.message}`);
  });
  app.use(answerProblems(log));
  app.use(pages());
  for (const router of [
    visitorRoutes({ issuer, campaignId, log }),
    operatorRoutes({ issuer, campaignId, operatorToken }),
    problemRoutes(),
  ]) {
    app.use(router.routes()).use(router.allowedMethods());
  }
  return app;
}

function visitorRoutes({ issuer, campaignId, log }) {
  const router = new Router({ prefix: '/api/line' });

  // What a page shows before somebody joins: the state of the campaign beside the visitor's own.
  router.get('/', identify, neverStored, async (ctx) => {
    const [{ issuances, ...standing }, campaign] = await Promise.all([
      issuer.campaign(campaignId).userStatus({ userId: ctx.state.userId }),
      issuer.campaign(campaignId).inspect(),
    ]);
    const { id, state, opensAt, available, reserved } = campaign;
    const soldOut = available === 0 && reserved === 0;
    ctx.body = { ...standing, coupons: issuances.map(couponOf), campaign: { id, state, opensAt, soldOut } };
  });

  const coupons = nodeHandler(issuer, {
    campaigns: [campaignId],
    basePath: '/api/line',
    user: ({ userId }) => userId,
    onError: (error, { instance }) => log(`${instance} ${error?.name}: ${error?.message}`),
  });
  router.all('/:campaign/:verb', identify, async (ctx, next) => {
    ctx.respond = false;
    await coupons(Object.assign(ctx.req, { userId: ctx.state.userId }), ctx.res, () => {
      ctx.respond = true;
      return next();
    });
  });
  return router;
}

function operatorRoutes({ issuer, campaignId, operatorToken }) {
  const router = new Router({ prefix: '/api/operator' });
  const meter = new Meter();
  const operator = [guard(operatorToken), neverStored];

  router.get('/', ...operator, async (ctx) => {
    const { state, waiting, total, available, reserved, issued, pace } = await issuer.campaign(campaignId).inspect();
    meter.note(reserved + issued);
    const rate = { perSecond: pace.admitPerSecond, measuredPerSecond: meter.perSecond() };
    ctx.body = { campaignId, state, waiting, total, available, reserved, issued, ...rate };
  });

  router.post('/pause', ...operator, async (ctx) => {
    await issuer.campaign(campaignId).pause();
    ctx.status = 204;
  });

  router.post('/resume', ...operator, async (ctx) => {
    await issuer.campaign(campaignId).resume();
    ctx.status = 204;
  });

  router.post('/rate', ...operator, async (ctx) => {
    const { perSecond } = await bodyOf(ctx);
    if (perSecond === undefined) throw new HttpProblem(400, 'perSecond is missing');
    // It would remove the cap, and admit the whole line.
    if (perSecond === null) throw new InvalidArgumentError('perSecond must be a number');
    const { admitPerSecond } = await issuer.campaign(campaignId).setPace({ admitPerSecond: perSecond });
    ctx.body = { perSecond: admitPerSecond };
  });

  router.post('/restock', ...operator, async (ctx) => {
    const requestId = ctx.get('Idempotency-Key');
    if (!requestId) throw new HttpProblem(400, 'send an Idempotency-Key, so that a repeat adds nothing twice');
    const { add } = await bodyOf(ctx);
    ctx.body = await issuer.campaign(campaignId).restock({ add, requestId });
  });
  return router;
}

function problemRoutes() {
  const router = new Router({ prefix: '/problems' });
  router.get('/:name', (ctx) => {
    const { name } = ctx.params;
    if (!Object.hasOwn(PROBLEMS, name)) throw new HttpProblem(404, 'there is no such problem');
    ctx.body = PROBLEMS[name];
  });
  return router;
}

/** What is one visitor's must not stay in a cache on the way. */
async function neverStored(ctx, next) {
  ctx.set('Cache-Control', 'no-store');
  await next();
}

function couponOf({ serial, code, issuedAt, state }) {
  return { serial, code, issuedAt, state };
}
