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

export function bodyOf(req) {
  const { body = {} } = req;
  if (typeof body !== 'object' || Array.isArray(body)) throw new HttpProblem(400, 'the body must be a JSON object');
  return body;
}

/** The instance of a problem is this occurrence: the same id stands in the log. */
export function send(res, { status, headers, body }, instance = `urn:uuid:${randomUUID()}`) {
  res
    .status(status)
    .set(headers)
    .send(JSON.stringify(body.type === undefined ? body : { ...body, instance }));
}

/** Express knows an error handler by its four parameters. */
export function answerProblem(log) {
  return (error, _req, res, next) => {
    // A client that went away in the middle of its upload hears nothing.
    if (res.destroyed) return;
    if (res.headersSent) return next(error);
    const answer = error instanceof CouponIssuerError ? httpAnswer(error) : answerOf(error);
    const instance = `urn:uuid:${randomUUID()}`;
    if (answer.status >= 500) log(`${instance} ${error?.name}: ${error?.message}`);
    send(res, answer, instance);
  };
}

function answerOf(error) {
  const status = error?.status >= 400 && error.status < 600 ? error.status : 500;
  const detail = error instanceof HttpProblem ? error.message : detailOf(error);
  const body = { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail };
  return { status, headers: { 'Content-Type': 'application/problem+json' }, body };
}

/** Messages of the body parser repeat what was sent, so they stay here. */
function detailOf(error) {
  if (error?.type === 'entity.parse.failed') return 'the body is not valid JSON';
  if (error?.type === 'entity.too.large') return 'the body is too large';
  if (error?.status >= 400 && error.status < 500) return 'the request cannot be read';
  return 'something went wrong on the server';
}
