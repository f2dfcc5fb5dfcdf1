import { Router } from '@koa/router';
import {
  httpAnswer,
  InvalidArgumentError,
  PROBLEMS,
  SERVER_SENT_EVENTS_HEADERS,
  serverSentEvents,
} from 'coupon-issuer';
import Koa from 'koa';
import { Meter } from './meter.js';
import { pages } from './pages.js';
import { answerProblems, HttpProblem, send } from './problems.js';
import { bodyOf, guard, identify } from './requests.js';

/** How it shows that a visitor closed the page. */
const GONE = ['ERR_STREAM_PREMATURE_CLOSE', 'ECONNRESET', 'EPIPE'];

/** Streams of events at once for one visitor: a browser opens six connections to a site. */
const MOST_STREAMS = 6;

/** The pages, what they ask for, and what an operator does. `leaving` is aborted when the server shuts down: it ends the event streams. */
export function createApp({ issuer, campaignId, operatorToken, leaving, log = console.error }) {
  const app = new Koa();
  // What fails after the answer has begun.
  app.on('error', (error) => {
    if (!GONE.includes(error.code)) log(`${error.name}: ${error.message}`);
  });
  app.use(answerProblems(log));
  app.use(pages());
  for (const router of [
    visitorRoutes({ issuer, campaignId, leaving }),
    operatorRoutes({ issuer, campaignId, operatorToken }),
    problemRoutes(),
  ]) {
    app.use(router.routes()).use(router.allowedMethods());
  }
  return app;
}

function visitorRoutes({ issuer, campaignId, leaving }) {
  const router = new Router({ prefix: '/api/line' });
  // Part of each route: `router.use` compares the case of a path, and routes do not.
  const known = [identify, neverStored];

  router.post('/', ...known, async (ctx) => {
    const answer = httpAnswer(await issuer.campaign(campaignId).join({ userId: ctx.state.userId }));
    const { status, issuance, issuances = [] } = answer.body;
    const coupon = issuance ?? issuances.at(-1);
    send(ctx, coupon ? { ...answer, body: { status, coupon: couponOf(coupon) } } : answer);
  });

  router.delete('/', ...known, async (ctx) => {
    const { status, issuances = [] } = await issuer.campaign(campaignId).leave({ userId: ctx.state.userId });
    ctx.body = { status, ...lastOf(issuances) };
  });

  router.get('/', ...known, async (ctx) => {
    const [{ issuances, ...standing }, campaign] = await Promise.all([
      issuer.campaign(campaignId).userStatus({ userId: ctx.state.userId }),
      issuer.campaign(campaignId).inspect(),
    ]);
    const { state, opensAt, available, reserved } = campaign;
    const soldOut = available === 0 && reserved === 0;
    ctx.body = { ...standing, ...lastOf(issuances), campaign: { state, opensAt, soldOut } };
  });

  const streams = new Map();
  router.get('/events', ...known, (ctx) => {
    const { userId } = ctx.state;
    const open = streams.get(userId) ?? 0;
    if (open >= MOST_STREAMS) throw new HttpProblem(429, 'too many pages of this line are open: close one');
    streams.set(userId, open + 1);
    ctx.res.once('close', () => {
      const left = streams.get(userId) - 1;
      if (left > 0) streams.set(userId, left);
      else streams.delete(userId);
    });
    const changes = issuer.campaign(campaignId).watch({ userId, signal: leaving });
    ctx.set(SERVER_SENT_EVENTS_HEADERS);
    ctx.body = serverSentEvents(changes);
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

function lastOf(issuances) {
  const last = issuances.at(-1);
  return last ? { coupon: couponOf(last) } : {};
}

function couponOf({ serial, code, issuedAt, state }) {
  return { serial, code, issuedAt, state };
}
