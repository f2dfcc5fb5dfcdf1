/** The path of the dashboard, wherever it is mounted. */
const BASE = location.pathname.replace(/\/*$/, '/');
const KEPT = 'coupon-issuer-token';

/** The token comes behind the #, which a browser sends to nobody, and leaves the address at once. */
export function takeToken() {
  const given = /^#token=([\w-]+)$/.exec(location.hash)?.[1];
  if (!given) return;
  setToken(given);
  history.replaceState(null, '', location.pathname);
}

export function setToken(token) {
  sessionStorage.setItem(KEPT, token);
}

export class Refusal extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }

  /** `text`: the problem in the body of an answer. */
  static of(status, text) {
    let detail;
    try {
      ({ detail } = JSON.parse(text));
    } catch {
      // A proxy speaks otherwise.
    }
    return new Refusal(status, detail ?? `The server answered ${status}.`);
  }
}

export const addressOf = (verb) => `${BASE}api/${verb}`;

export function headersOf(contentType) {
  const token = sessionStorage.getItem(KEPT);
  const headers = { 'Content-Type': contentType, 'X-Coupon-Issuer': 'dashboard' };
  return token ? { ...headers, Authorization: `Bearer ${token}` } : headers;
}

async function send(verb, body, signal) {
  const headers = headersOf('application/json');
  let response;
  try {
    response = await fetch(addressOf(verb), { method: 'POST', headers, body: JSON.stringify(body), signal });
  } catch (error) {
    throw signal?.aborted ? error : new Refusal(0, 'The server does not answer.');
  }
  if (response.ok) return response;
  throw Refusal.of(response.status, await response.text());
}

/** Asks the API. Throws `Refusal`. */
export async function ask(verb, body = {}) {
  return (await send(verb, body)).json();
}

/** Calls `onLine` with each object of a stream. Throws `Refusal`. */
export async function stream(verb, body, onLine, signal) {
  const reader = (await send(verb, body, signal)).body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
    rest = lines.pop();
    for (const line of lines) onLine(JSON.parse(line));
  }
}
