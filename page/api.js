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

class Refusal extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function send(verb, body, signal) {
  const token = sessionStorage.getItem(KEPT);
  const headers = { 'Content-Type': 'application/json', 'X-Coupon-Issuer': 'dashboard' };
  if (token) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(`${BASE}api/${verb}`, { method: 'POST', headers, body: JSON.stringify(body), signal });
  } catch (error) {
    throw signal?.aborted ? error : new Refusal(0, 'The server does not answer.');
  }
  if (response.ok) return response;
  const { detail } = await response.json().catch(() => ({}));
  throw new Refusal(response.status, detail ?? `The server answered ${response.status}.`);
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
