import { couponErrorHandler, couponIssuer } from 'coupon-issuer/fastify';
import Fastify from 'fastify';
import { lineRoutes, rushRoutes } from './coupons.js';
import { orderRoutes } from './orders.js';

/** `issuer` are the options of one, `sessions` knows users by the token of their login, `db` is the one of Drizzle. */
export function createApp({ issuer, worker, sessions, db, logger = false }) {
  // The closing may take as long as a call, which has 10 seconds by default.
  const app = Fastify({ logger, pluginTimeout: 30_000 });
  app.setErrorHandler(answerFault);
  app.register(couponIssuer, { issuer, worker });

  // 503 while Redis or the table is away, so that the load balancer asks another process.
  app.get('/ready', async (_request, reply) => {
    const isReady = await app.coupons.check().then(
      () => true,
      () => false,
    );
    return reply.code(isReady ? 200 : 503).send({ ready: isReady });
  });

  // The hooks and the handler in here are for these routes alone.
  app.register(async (members) => {
    members.setErrorHandler(couponErrorHandler);
    members.decorateRequest('userId', null);
    // Put your own login here: the user comes from the session, and never from the address or the body.
    members.addHook('onRequest', async (request, reply) => {
      const [, token = ''] = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
      request.userId = sessions.get(token) ?? null;
      if (request.userId === null) return reply.code(401).send({ error: 'Log in first.' });
    });
    // A campaign that is not named here is not public.
    members.register(rushRoutes, { prefix: '/coupons/launch', campaign: 'launch' });
    members.register(lineRoutes, { prefix: '/coupons/line', campaign: 'line' });
    members.register(orderRoutes, { prefix: '/orders', campaign: 'launch', db });
  });
  return app;
}

/**
 * Answers what `couponErrorHandler` leaves. The handler of Fastify would show every message to the user. That of a
 * database has values in it, and for Drizzle all parameters, so neither an answer nor the log gets it.
 */
function answerFault(error, request, reply) {
  if (error.statusCode < 500) return reply.send(error);
  const { name, code, stack = '' } = error.cause ?? error;
  request.log.error({ name, code, at: stack.match(/^ +at .*$/gm)?.slice(0, 5) }, 'a request failed');
  return reply.code(500).send({ statusCode: 500, error: 'Internal Server Error', message: 'Something went wrong.' });
}
