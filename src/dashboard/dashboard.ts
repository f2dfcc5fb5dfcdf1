import page from '../../page/dashboard.html';
import { isError, messageOf, read } from '../model/foreign.js';
import { answerOfError, causeOf, contentAnswer, emptyAnswer, HttpProblem, type RouteAnswer } from '../web/answer.js';
import { type GivenBody, objectOf } from '../web/body.js';
import { assertHost, assertOwnPage, userOf } from './gate.js';
import { importing } from './importing.js';
import { LiveNumbers } from './live.js';
import type { CheckedDashboard, DashboardUser, ShownIssuer } from './options.js';
import { Overview } from './overview.js';
import { Reconciling } from './reconciling.js';
import { Tallies } from './tallies.js';
import { CHANGES, type Change, LOOKS } from './verbs.js';

/** A request, of whichever server. */
export interface DashboardCall {
  readonly method: string;
  readonly path: string;
  readonly header: (name: string) => string | null;
  /** The host of the URL, where there is no `Host`. */
  readonly host: () => string;
  readonly user: () => unknown;
  readonly body: () => GivenBody;
  /** The body where it is a file. */
  readonly file: () => GivenBody;
  /** Aborted once the client is gone. */
  readonly signal: () => AbortSignal;
}

const POLICY = [
  "default-src 'none'",
  `script-src 'sha256-${page.scriptHash}'`,
  `style-src 'sha256-${page.styleHash}'`,
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

/** On every answer. */
const GUARDS = {
  'Content-Security-Policy': POLICY,
  'Referrer-Policy': 'no-referrer',
  'X-Frame-Options': 'DENY',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** Errors whose message is for an operator. The others may quote a server. */
const TOLD: readonly unknown[] = [
  ...['INVALID_ARGUMENT', 'CAMPAIGN_CONFLICT', 'UNKNOWN_CAMPAIGN', 'NOT_READY', 'MISCONFIGURED', 'OVERLOADED'],
];

/** The verbs that keep something of their own between requests, or take a file. */
const OWN: readonly string[] = ['overview', 'live', 'tally', 'reconcile', 'import'];

/** The page and its API. */
export class Dashboard {
  readonly #issuer: ShownIssuer;
  readonly #options: CheckedDashboard;
  readonly #overview: Overview;
  readonly #live: LiveNumbers;
  readonly #reconciling = new Reconciling();
  readonly #tallies = new Tallies();

  constructor(issuer: ShownIssuer, options: CheckedDashboard) {
    this.#issuer = issuer;
    this.#options = options;
    this.#overview = new Overview(issuer);
    this.#live = LiveNumbers.of(issuer.id);
  }

  /** The answer to a request; `null`: the path is none of the dashboard. Never rejects. */
  async answer(call: DashboardCall): Promise<RouteAnswer | null> {
    const { basePath } = this.#options;
    const isOwn = call.path === basePath || call.path.startsWith(`${basePath}/`);
    const verb = isOwn ? verbOf(call.path.slice(basePath.length)) : null;
    if (verb === null) return null;
    const answer = await this.#guarded(call, verb);
    const headers = { ...answer.headers, ...GUARDS };
    return { ...answer, headers, body: call.method === 'HEAD' ? null : answer.body };
  }

  async #guarded(call: DashboardCall, verb: string): Promise<RouteAnswer> {
    try {
      assertHost(call, this.#options);
      return verb === '' ? await this.#page(call) : await this.#api(call, verb);
    } catch (error) {
      return this.#failed(error, call);
    }
  }

  async #page(call: DashboardCall): Promise<RouteAnswer> {
    assertMethod(call, ['GET', 'HEAD']);
    await this.#user(call);
    return contentAnswer('text/html; charset=utf-8', page.html);
  }

  /** Checks first that cost nothing, then the person, then the work. */
  async #api(call: DashboardCall, verb: string): Promise<RouteAnswer> {
    assertMethod(call, ['POST']);
    const isImport = verb === 'import';
    assertOwnPage(call, this.#options, isImport);
    const user = await this.#user(call);
    const change = CHANGES.get(verb);
    const isChange = isImport || change !== undefined;
    if (isChange && user.role !== 'write') throw new HttpProblem(403, 'this person may only read; nothing was changed');
    if (isImport) return this.#load(call, user);
    const body = await objectOf(call.body());
    if (change) return jsonAnswer(await this.#change(verb, change, body, user));
    if (verb === 'reconcile') return this.#reconciling.answer(this.#issuer, body, call.signal());
    if (verb === 'live') return jsonAnswer(this.#live.read(body));
    if (verb === 'tally') return jsonAnswer(await this.#tallies.read(this.#issuer, body));
    if (verb === 'overview') return jsonAnswer({ me: user, ...(await this.#overview.read(body)) });
    return jsonAnswer(await LOOKS.get(verb)!(this.#issuer, body as never));
  }

  /** A change is checked, made, and told, whatever became of it. */
  async #change(verb: string, change: Change, body: object, { name: by }: DashboardUser): Promise<unknown> {
    const { campaignId, ...rest } = body as { campaignId: string };
    const campaign = this.#issuer.campaign(campaignId);
    let done = false;
    let isTold = true;
    try {
      const result = await change(campaign, rest as never);
      done = true;
      return { done, ...(result ?? {}) };
    } catch (error) {
      // Refused before anything was asked.
      isTold = codeOf(error) !== 'INVALID_ARGUMENT';
      throw error;
    } finally {
      if (isTold) this.#issuer.audit({ campaignId, action: verb.replace('-', '_'), by, done });
    }
  }

  #load(call: DashboardCall, { name: by }: DashboardUser): Promise<RouteAnswer> {
    return importing(call.file(), {
      issuer: this.#issuer,
      signal: call.signal(),
      tell: (campaignId, done) => this.#issuer.audit({ campaignId, action: 'import', by, done }),
      wordsOf: (error) => this.#wordsOf(error),
    });
  }

  /** Of an error in the middle of an answer. */
  #wordsOf(error: unknown): string {
    const answer = answerOfError(error);
    if (answer.status >= 500) this.#report(error, answer);
    const isTold = error instanceof HttpProblem || TOLD.includes(codeOf(error));
    return isTold ? messageOf(error) : `it failed: ${answer.instance} in the log of the server says why`;
  }

  /** A fault of `authorize` is a refusal. */
  async #user(call: DashboardCall): Promise<DashboardUser> {
    try {
      return await userOf(call);
    } catch (error) {
      if (error instanceof HttpProblem) throw error;
      const refusal = new HttpProblem(403, 'it is not known who asks: the request was refused');
      this.#report(error, answerOfError(refusal));
      throw refusal;
    }
  }

  #failed(error: unknown, call: DashboardCall): RouteAnswer {
    // Nobody hears the answer.
    if (call.signal().aborted) return emptyAnswer(499);
    const answer = answerOfError(error);
    if (answer.status >= 500) this.#report(error, answer);
    const { status, headers, body } = answer;
    if (!TOLD.includes(codeOf(error))) return { status, headers, body };
    return { status, headers, body: JSON.stringify({ ...JSON.parse(String(body)), detail: messageOf(error) }) };
  }

  #report(error: unknown, { instance, status }: { instance: string; status: number }): void {
    try {
      this.#options.onError(causeOf(error), { instance, status });
    } catch {
      // An observer's fault is its own.
    }
  }
}

/** The verb of a path of the API, `''` for the page, and `null` for a path that is neither. */
function verbOf(path: string): string | null {
  if (path === '' || path === '/') return '';
  const verb = /^\/api\/([a-z-]{1,32})$/.exec(path)?.[1] ?? '';
  return CHANGES.has(verb) || LOOKS.has(verb) || OWN.includes(verb) ? verb : null;
}

function assertMethod({ method }: DashboardCall, methods: readonly string[]): void {
  const allow = methods.join(', ');
  if (!methods.includes(method)) throw new HttpProblem(405, `this path is for ${allow}`, { Allow: allow });
}

function jsonAnswer(value: unknown): RouteAnswer {
  return contentAnswer('application/json', JSON.stringify(value));
}

function codeOf(error: unknown): unknown {
  return isError(error) ? read(() => (error as { code?: unknown }).code) : null;
}
