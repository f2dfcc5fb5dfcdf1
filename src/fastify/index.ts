import type { FastifyInstance } from 'fastify';
import { type HostedIssuerOptions, hostedIssuer } from '../hosted-issuer.js';
import type { CouponIssuer } from '../issuer.js';
import { CouponIssuerError } from '../model/errors.js';
import { httpStatus } from '../model/http-status.js';
import { userAnswer } from '../model/user-answer.js';

export type { HostedIssuerOptions } from '../hosted-issuer.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** The issuer of `couponIssuer`. Of the issuer of another `decorator`, declare the type yourself. */
    readonly coupons: CouponIssuer;
  }
}

export interface FastifyCouponIssuerOptions<Client = never> extends HostedIssuerOptions<Client> {
  /** The name of the issuer on the instance: default `coupons`. For a second issuer, choose another one. */
  readonly decorator?: string | undefined;
}

/**
 * A plugin of Fastify 5 that makes the issuer `app.coupons`, for the whole application. It has no routes.
 *
 * It starts the worker once the application is ready, and closes the issuer in `preClose`. Calls in flight are
 * finished, open event streams end, and each connection ends with its answer, so that the server can close. Close your own
 * clients in `onClose`, which runs later. The registration rejects with `InvalidArgumentError` for options outside their
 * range.
 *
 * @example
 * ```ts
 * import { couponIssuer } from 'coupon-issuer/fastify';
 * import Fastify from 'fastify';
 *
 * const app = Fastify();
 * app.register(couponIssuer, { issuer: { redis, persistence }, worker: true });
 * app.addHook('onClose', async () => redis.disconnect());
 * ```
 */
export async function couponIssuer<Client = never>(
  app: FastifyInstance,
  { decorator = 'coupons', ...options }: FastifyCouponIssuerOptions<Client>,
): Promise<void> {
  const { issuer, start } = hostedIssuer(options);
  app.decorate(decorator, issuer);
  app.addHook('onReady', async () => start());
  let closing = false;
  app.addHook('preClose', async () => {
    closing = true;
    await issuer.close();
  });
  // Otherwise the server waits for a connection that falls idle only now, until its client leaves: 72 s by default. The
  // connection of `inject` has no such method.
  app.addHook('onResponse', async ({ raw }) => {
    if (closing && raw.httpVersionMajor === 1) raw.socket.destroySoon?.();
  });
}

/** What `fastify-plugin` sets: the decorator is for the application, not for the plugin alone. */
Object.assign(couponIssuer, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'coupon-issuer',
  [Symbol.for('plugin-meta')]: { name: 'coupon-issuer', fastify: '5.x' },
});

/** The used part of a reply, over HTTP/1 and HTTP/2. */
export interface FastifyAnswerReply {
  code(status: number): unknown;
  headers(values: Readonly<Record<string, string>>): unknown;
  send(body: unknown): unknown;
}

/** The used part of a request. */
export interface FastifyLoggingRequest {
  readonly log: { error(error: unknown): void };
}

/**
 * Sends a result of `issue()` or of another call, or an error that one threw, with the status, the headers and the
 * problem details of `httpAnswer`. A coupon is shown as its user sees it, a `UserCoupon` in `coupon` or `coupons`: its id,
 * its epoch and its user id stay on the server.
 *
 * @example
 * ```ts
 * import { sendAnswer } from 'coupon-issuer/fastify';
 * import Fastify from 'fastify';
 *
 * const app = Fastify();
 * app.post('/coupons', async (request, reply) => sendAnswer(reply, await launch.issue({ userId })));
 * ```
 */
export function sendAnswer<Reply extends FastifyAnswerReply>(reply: Reply, resultOrError: unknown): Reply {
  const { status, headers, body } = userAnswer(resultOrError);
  reply.code(status);
  reply.headers(headers);
  reply.send(body);
  return reply;
}

/**
 * An error handler: answers each error of this library as `httpAnswer` does, with problem details and `Retry-After`, and
 * leaves every other error to the handler around it. A fault of your set-up (500) is logged.
 *
 * @example
 * ```ts
 * import { couponErrorHandler } from 'coupon-issuer/fastify';
 * import Fastify from 'fastify';
 *
 * const app = Fastify();
 * app.setErrorHandler(couponErrorHandler);
 * ```
 */
export function couponErrorHandler<Reply extends FastifyAnswerReply>(
  error: unknown,
  request: FastifyLoggingRequest,
  reply: Reply,
): Reply {
  if (!(error instanceof CouponIssuerError)) throw error;
  if (httpStatus(error) === 500) request.log.error(error);
  return sendAnswer(reply, error);
}
