// Answers: those of the library as `httpAnswer` makes them, and the problems of HTTP itself.
import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import { CouponIssuerError, httpAnswer } from 'coupon-issuer';

/** A problem that is HTTP's own: no such route, a body that cannot be read. */
export class HttpProblem extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The instance of a problem is this occurrence: the same id stands in the log. */
function send(ctx, { status, headers, body }, instance = `urn:uuid:${randomUUID()}`) {
  ctx.status = status;
  ctx.set(headers);
  ctx.body = JSON.stringify(body.type === undefined ? body : { ...body, instance });
}

/** Answers what was thrown, and what nobody answered. */
export function answerProblems(log) {
  return async (ctx, next) => {
    try {
      await next();
      if (ctx.respond !== false && ctx.status >= 400 && ctx.body == null)
        throw new HttpProblem(ctx.status, unanswered(ctx));
    } catch (error) {
      const answer = error instanceof CouponIssuerError ? httpAnswer(error) : answerOf(error);
      // The words of an answer are for anybody. An operator reads what the log would have.
      if (ctx.state.isOperator && answer.status < 500) answer.body.detail = error.message;
      const instance = `urn:uuid:${randomUUID()}`;
      if (answer.status >= 500) log(`${instance} ${error?.name}: ${error?.message}`);
      send(ctx, answer, instance);
    }
  };
}

function unanswered({ status, method, path }) {
  return status === 404 ? `there is nothing at ${method} ${path}` : `${method} is not for ${path}`;
}

function answerOf(error) {
  const status = error?.status >= 400 && error.status < 600 ? error.status : 500;
  const detail = error instanceof HttpProblem ? error.message : detailOf(status);
  const body = { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail };
  return { status, headers: { 'Content-Type': 'application/problem+json' }, body };
}

function detailOf(status) {
  return status < 500 ? 'the request cannot be read' : 'something went wrong on the server';
}
