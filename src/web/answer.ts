import { isError, read } from '../model/foreign.js';
import { httpAnswer } from '../model/http-answer.js';
import type { ProblemDetails } from '../model/problems.js';
import { userAnswer } from '../model/user-answer.js';

/** The answer of a server. A body that is text is JSON. */
export interface RouteAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | ReadableStream<Uint8Array> | null;
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** On every answer: a coupon is worth money, and no browser may take an answer for another type. */
const ALWAYS = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' };

/** A problem that is HTTP's own. `detail` quotes nothing of the request. */
export class HttpProblem extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.status = status;
    this.headers = headers;
  }
}

/** A function of the shop failed. Its error is for the log alone, whichever code it has. */
class ShopFault extends Error {}

export function emptyAnswer(status: number, headers: Readonly<Record<string, string>> = {}): RouteAnswer {
  return { status, headers: { ...ALWAYS, ...headers }, body: null };
}

export function streamAnswer(body: ReadableStream<Uint8Array> | null, headers: RouteAnswer['headers']): RouteAnswer {
  return { status: 200, headers: { ...ALWAYS, ...headers }, body };
}

/** The answer to a result. A refusal is a problem. */
export function answerOf(result: unknown): RouteAnswer {
  const { status, headers, body } = userAnswer(result);
  if ('type' in body) return problemAnswer(status, headers, body);
  return { status, headers: { ...headers, ...ALWAYS }, body: JSON.stringify(body) };
}

/** The answer to an error, and the `instance` of its problem. */
export function answerOfError(error: unknown): RouteAnswer & { readonly instance: string } {
  const instance = `urn:uuid:${crypto.randomUUID()}`;
  if (error instanceof HttpProblem) {
    const { status, headers, message } = error;
    const body = { type: 'about:blank', title: TITLES[status]!, status, detail: message };
    const type = { 'Content-Type': 'application/problem+json' };
    return { ...problemAnswer(status, { ...type, ...headers }, body, instance), instance };
  }
  // A value that was thrown is no result, though it may look like one.
  const { status, headers, body } = httpAnswer(isError(error) && !(error instanceof ShopFault) ? error : null);
  return { ...problemAnswer(status, headers, body as ProblemDetails, instance), instance };
}

function problemAnswer(status: number, headers: RouteAnswer['headers'], body: object, instance?: string): RouteAnswer {
  const occurrence = instance ?? `urn:uuid:${crypto.randomUUID()}`;
  return {
    status,
    headers: { ...headers, ...ALWAYS },
    body: JSON.stringify({ ...body, instance: occurrence }),
  };
}

/** Calls a function of the shop. Whatever it throws is no answer of ours. */
export async function ofShop<T>(work: () => T | PromiseLike<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new ShopFault('a function of the handler failed', { cause: error });
  }
}

/** The error that a log should have. */
export function causeOf(error: unknown): unknown {
  return error instanceof ShopFault ? read(() => error.cause) : error;
}
