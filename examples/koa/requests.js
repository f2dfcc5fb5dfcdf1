import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { HttpProblem } from './problems.js';

const COOKIE = 'line';
const COOKIE_MS = 30 * 86_400_000;
const LONGEST_BODY = 1_000;

/** Knows a visitor by a cookie that it sets itself. A real site knows its visitors by their login. */
export async function identify(ctx, next) {
  let session = ctx.cookies.get(COOKIE);
  if (!/^[\w-]{22}$/.test(session ?? '')) {
    session = randomBytes(16).toString('base64url');
    ctx.cookies.set(COOKIE, session, { httpOnly: true, sameSite: 'lax', maxAge: COOKIE_MS });
  }
  // The cookie is as good as a password, and a user id is shown: in events, in rows, in logs.
  ctx.state.userId = digest(session).toString('base64url');
  await next();
}

/** Lets pass who brings the token. Digests have one length, so comparing them says nothing of the token's. */
export function guard(token) {
  const expected = digest(token);
  return async (ctx, next) => {
    const [, given = ''] = /^Bearer (\S+)$/i.exec(ctx.get('Authorization')) ?? [];
    if (!timingSafeEqual(digest(given), expected)) {
      ctx.set('WWW-Authenticate', 'Bearer');
      throw new HttpProblem(401, 'the operator token is missing or wrong');
    }
    ctx.state.isOperator = true;
    await next();
  };
}

/** A small JSON object. */
export async function bodyOf(ctx) {
  if (!ctx.is('application/json')) throw new HttpProblem(415, 'send a JSON object as application/json');
  const body = parse(await textOf(ctx));
  if (body === null || typeof body !== 'object' || Array.isArray(body)) {
    throw new HttpProblem(400, 'the body must be a JSON object');
  }
  return body;
}

async function textOf(ctx) {
  const chunks = [];
  let length = 0;
  // Not destroyed when it is too long, or the answer would not arrive either.
  for await (const chunk of ctx.req.iterator({ destroyOnReturn: false })) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > LONGEST_BODY) {
      ctx.set('Connection', 'close');
      throw new HttpProblem(413, 'the body is too large');
    }
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new HttpProblem(400, 'the body is not valid JSON');
  }
}

function digest(text) {
  return createHash('sha256').update(text).digest();
}
