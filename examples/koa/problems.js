// Refusals and faults as problem details (RFC 9457).
import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import { CouponIssuerError, httpStatus } from 'coupon-issuer';

/** By result status or error code: what it means, in words for people. */
const KINDS = {
  sold_out: { title: 'Sold out', detail: 'no coupon is left to wait for' },
  not_open: { title: 'Not open yet', detail: 'the line has not opened' },
  closed: { title: 'Closed', detail: 'the campaign is over' },
  paused: { title: 'Paused', detail: 'the line is paused, try again later', retryAfter: 5 },
  not_eligible: { title: 'Not eligible', detail: 'this visitor may not have this coupon' },
  not_ready: { title: 'Not ready', detail: 'the line cannot be served at this moment', retryAfter: 5 },
  INVALID_ARGUMENT: { title: 'Invalid request' },
  UNKNOWN_CAMPAIGN: { title: 'Unknown campaign', detail: 'no campaign of this id was opened' },
  CAMPAIGN_CONFLICT: { title: 'Campaign conflict' },
  MISCONFIGURED: { title: 'Misconfigured', detail: 'this server is not set up for the campaign' },
  OVERLOADED: { title: 'Busy', detail: 'too many people are asking; no place was taken, try again', retryAfter: 1 },
  REDIS: { title: 'No answer', detail: 'whether it was done is not known; ask again to find out', retryAfter: 1 },
  NOT_READY: { title: 'Not ready', detail: 'the line cannot be served at this moment', retryAfter: 5 },
  HOOK: { title: 'Not available', detail: 'nothing was changed, try again', retryAfter: 1 },
  CLOSED: { title: 'Shutting down', detail: 'this server is shutting down, try again', retryAfter: 1 },
};

/** What a problem's type leads to. */
export function explainProblem(name) {
  return Object.entries(KINDS).find(([kind]) => kind.toLowerCase() === name)?.[1];
}

/** A problem that is HTTP's own: no such route, a body that cannot be read. */
export class HttpProblem extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** A refusal or an error of the library, with what it carries. */
export function describeProblem(
  kind,
  { httpStatus: status, message, opensAt, closedAt, reason, outcome, retryAfterMs },
) {
  const { title, detail, retryAfter } = KINDS[kind] ?? { title: kind };
  const seconds = opensAt ? secondsUntil(opensAt) : retryAfterMs ? Math.ceil(retryAfterMs / 1000) : retryAfter;
  // A message of the library names no secret; inner workings are still nobody's business but the operator's.
  const known = outcome === 'not_applied' ? KINDS.HOOK.detail : detail;
  const shown = status < 500 ? (message ?? detail) : known;
  const members = { opensAt, closedAt, reason, outcome };
  return { type: `/problems/${kind.toLowerCase()}`, title, status, detail: shown, ...members, retryAfter: seconds };
}

/** The instance is this occurrence: the same id stands in the log. */
export function sendProblem(ctx, { retryAfter, ...problem }, instance = `urn:uuid:${randomUUID()}`) {
  if (retryAfter !== undefined) ctx.set('Retry-After', String(retryAfter));
  ctx.status = problem.status;
  ctx.type = 'application/problem+json';
  ctx.body = JSON.stringify({ ...problem, instance });
}

/** Answers what was thrown, and what nobody answered. */
export function answerProblems(log) {
  return async (ctx, next) => {
    try {
      await next();
      if (ctx.status >= 400 && ctx.body == null) throw new HttpProblem(ctx.status, unanswered(ctx));
    } catch (error) {
      const problem = problemOf(error);
      const instance = `urn:uuid:${randomUUID()}`;
      if (problem.status >= 500) log(`${instance} ${error?.name}: ${error?.message}`);
      sendProblem(ctx, problem, instance);
    }
  };
}

function unanswered({ status, method, path }) {
  return status === 404 ? `there is nothing at ${method} ${path}` : `${method} is not for ${path}`;
}

function problemOf(error) {
  if (error instanceof CouponIssuerError) {
    const { code, message, reason, outcome, retryAfterMs } = error;
    return describeProblem(code, { httpStatus: httpStatus(error), message, reason, outcome, retryAfterMs });
  }
  const status = error?.status >= 400 && error.status < 600 ? error.status : 500;
  const detail = error instanceof HttpProblem ? error.message : detailOf(status);
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail };
}

function detailOf(status) {
  return status < 500 ? 'the request cannot be read' : 'something went wrong on the server';
}

function secondsUntil(instant) {
  return Math.max(1, Math.ceil((instant.getTime() - Date.now()) / 1000));
}
