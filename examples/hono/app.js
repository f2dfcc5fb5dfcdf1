import { PROBLEMS } from 'coupon-issuer';
import { handler } from 'coupon-issuer/web';
import { Hono } from 'hono';
import { createMiddleware } from 'hono/factory';

/** The routes of the users, and the words of their problems. `sessions` knows users by the token of their login. */
export function createApp({ issuer, sessions, campaigns, log = console.error }) {
  const coupons = handler(issuer, {
    campaigns,
    basePath: '/coupons',
    user: (_request, c) => c.get('userId'),
    onError: (error, { instance }) => log(`${instance} ${error?.name}: ${error?.message}`),
  });
  const app = new Hono();

  app.all('/coupons/*', session(sessions), (c) => coupons(c.req.raw, c));

  app.get('/problems/:name', (c) => {
    const name = c.req.param('name');
    return Object.hasOwn(PROBLEMS, name) ? c.json(PROBLEMS[name]) : c.notFound();
  });
  return app;
}

/** Put your own login here: the user comes from the session, and never from the address or the body. */
function session(sessions) {
  return createMiddleware(async (c, next) => {
    const [, token = ''] = /^Bearer (\S+)$/i.exec(c.req.header('authorization') ?? '') ?? [];
    c.set('userId', sessions.get(token) ?? null);
    await next();
  });
}
