import { isName, textFault } from '../model/check.js';
import { invalid, UnknownCampaignError } from '../model/errors.js';
import { SERVER_SENT_EVENTS_HEADERS } from '../model/event-format.js';
import { isErrorNamed } from '../model/foreign.js';
import type { JoinResult } from '../model/place.js';
import type { IssueResult } from '../model/result.js';
import { notReady } from '../redis/reply-words.js';
import {
  answerOf,
  answerOfError,
  causeOf,
  emptyAnswer,
  HttpProblem,
  ofShop,
  type RouteAnswer,
  streamAnswer,
} from './answer.js';
import { type GivenBody, objectOf } from './body.js';
import { eventStream, FINAL_ID } from './event-stream.js';
import { OpenStreams } from './open-streams.js';
import type { AskedUser, CheckedRouteOptions, RoutedIssuer } from './options.js';

/** A request, of whichever server. */
export interface RouteCall {
  /** As it was sent: methods are case-sensitive. */
  readonly method: string;
  /** The path of the URL, still encoded. */
  readonly path: string;
  readonly header: (name: string) => string | null;
  readonly user: () => AskedUser;
  readonly body: () => GivenBody;
  /** Aborted once the client is gone. */
  readonly signal: () => AbortSignal;
}

/** A request whose campaign and user are known. */
interface KnownCall {
  readonly call: RouteCall;
  readonly campaignId: string;
  readonly campaign: ReturnType<RoutedIssuer['campaign']>;
  readonly userId: string;
}

type Verb = 'issue' | 'join' | 'leave' | 'status' | 'events';

const METHODS: ReadonlyMap<string, readonly string[]> = new Map<Verb, readonly string[]>([
  ['issue', ['POST']],
  ['join', ['POST']],
  ['leave', ['POST']],
  ['status', ['GET', 'HEAD']],
  ['events', ['GET', 'HEAD']],
]);

/** Visible ASCII. Two headers of this name arrive as one with a comma and a space, and are refused. */
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,128}$/;

/** A stream is answered after its first change, so that a campaign that nobody opened is a problem, but not later. */
const FIRST_CHANGE_MS = 1_000;

/** The routes of the users. */
export class Routes {
  readonly #issuer: RoutedIssuer;
  readonly #options: CheckedRouteOptions;
  readonly #streams: OpenStreams;

  constructor(issuer: RoutedIssuer, options: CheckedRouteOptions) {
    this.#issuer = issuer;
    this.#options = options;
    this.#streams = new OpenStreams(options.maxStreams, options.maxStreamsPerUser);
  }

  /** The answer to a request; `null`: the path is none of these routes. Never rejects. */
  async answer(call: RouteCall): Promise<RouteAnswer | null> {
    const route = this.#routeOf(call.path);
    if (!route) return null;
    try {
      const answer = await this.#run(route, call);
      return call.method === 'HEAD' ? { ...answer, body: null } : answer;
    } catch (error) {
      return this.#failed(error, call);
    }
  }

  /** Decoded once. A segment that cannot be decoded names no campaign. */
  #routeOf(path: string): { campaignId: string; verb: Verb } | null {
    const { basePath } = this.#options;
    if (!path.startsWith(`${basePath}/`)) return null;
    const [encoded, verb, ...more] = path.slice(basePath.length + 1).split('/');
    if (!encoded || !verb || more.length > 0 || !METHODS.has(verb)) return null;
    try {
      return { campaignId: decodeURIComponent(encoded), verb: verb as Verb };
    } catch {
      return { campaignId: '', verb: verb as Verb };
    }
  }

  /** Checks first that cost nothing, then the user, then the work. */
  async #run({ campaignId, verb }: { campaignId: string; verb: Verb }, call: RouteCall): Promise<RouteAnswer> {
    const methods = METHODS.get(verb)!;
    const allow = { Allow: [...methods, 'OPTIONS'].join(', ') };
    if (call.method === 'OPTIONS') return emptyAnswer(204, allow);
    if (!methods.includes(call.method)) throw new HttpProblem(405, `this path is for ${allow.Allow}`, allow);
    if (!isName(campaignId) || !this.#options.serves(campaignId)) throw unserved();
    // A page of another site can send no such request, unless the server in front allows it.
    if (call.method === 'POST' && !isJson(call.header('content-type'))) {
      throw new HttpProblem(415, 'send a Content-Type of application/json, also without a body');
    }
    if (verb === 'events' && isEmbedded(call)) {
      throw new HttpProblem(403, 'a page of another site follows events by EventSource or fetch alone');
    }
    const userId = await ofShop(call.user);
    if (userId === null || userId === undefined) throw new HttpProblem(401, 'log in first');
    const fault = textFault(userId);
    // A value of another type is the shop's mistake; the length of a name may be the user's.
    if (typeof userId !== 'string') return ofShop(() => Promise.reject(invalid('the answer of user', fault!)));
    if (fault) throw invalid('userId', fault);
    // A promise is no yes.
    if ((await ofShop(() => this.#options.mayUse(campaignId, userId))) !== true) throw unserved();
    return this.#verbs[verb]({ call, campaignId, campaign: this.#issuer.campaign(campaignId), userId });
  }

  readonly #verbs: Readonly<Record<Verb, (known: KnownCall) => Promise<RouteAnswer>>> = {
    issue: async ({ call, campaignId, campaign, userId }) => {
      const request = { userId, ...requestIdOf(call), ...(await this.#dataOf(call)) };
      return given(served(campaignId, await campaign.issue({ ...request, signal: call.signal() })));
    },
    join: async ({ call, campaignId, campaign, userId }) =>
      given(served(campaignId, await campaign.join({ userId, ...requestIdOf(call), ...(await this.#dataOf(call)) }))),
    leave: async ({ call, campaign, userId }) => {
      await objectOf(call.body());
      return answerOf(await campaign.leave({ userId }));
    },
    status: async ({ campaign, userId }) => answerOf(await campaign.userStatus({ userId })),
    events: (known) => this.#events(known),
  };

  /** The body is read in any case, so that one that is no JSON is refused whether its fields are used or not. */
  async #dataOf(call: RouteCall) {
    const body = await objectOf(call.body());
    const pick = this.#options.data;
    if (!pick) return {};
    try {
      return { data: await pick(body) };
    } catch (error) {
      if (isErrorNamed(error, 'InvalidArgumentError')) throw error;
      return ofShop(() => Promise.reject(error));
    }
  }

  async #events({ call, campaign, userId }: KnownCall): Promise<RouteAnswer> {
    if (call.header('last-event-id') === FINAL_ID) return emptyAnswer(204);
    const ended = this.#streams.take(userId);
    try {
      const signal = call.signal();
      const changes = campaign.watch({ userId, signal });
      const first = changes.next();
      await settledSoon(first);
      if (call.method === 'HEAD') {
        ended();
        await changes.return?.();
        return streamAnswer(null, SERVER_SENT_EVENTS_HEADERS);
      }
      const failed = (error: unknown) => this.#report(error, answerOfError(error));
      const { keepAliveMs } = this.#options;
      return streamAnswer(
        eventStream({ changes, first, keepAliveMs, signal, ended, failed }),
        SERVER_SENT_EVENTS_HEADERS,
      );
    } catch (error) {
      ended();
      throw error;
    }
  }

  #failed(error: unknown, call: RouteCall): RouteAnswer {
    // Nobody hears the answer: the waiting ended, and not the attempt.
    if (call.signal().aborted) return emptyAnswer(499);
    const answer = answerOfError(error);
    if (answer.status >= 500) this.#report(error, answer);
    const { status, headers, body } = answer;
    return { status, headers, body: call.method === 'HEAD' ? null : body };
  }

  #report(error: unknown, { instance, status }: { instance: string; status: number }): void {
    // An observer's fault is its own, whether it throws or rejects.
    ofShop(() => this.#options.onError(causeOf(error), { instance, status })).catch(() => {});
  }
}

/** The same answer as for a campaign that nobody opened. */
function unserved(): UnknownCampaignError {
  return new UnknownCampaignError('these routes do not serve the campaign');
}

/**
 * A campaign that Redis lost is an error here, as in the calls without a status for it: an operator has to hear of it.
 * A rebuild was begun by an operator, and is none.
 */
function served(campaignId: string, result: IssueResult | JoinResult): RouteAnswer {
  if (result.status === 'not_ready' && result.reason !== 'rebuilding') throw notReady(campaignId, result.reason);
  return answerOf(result);
}

/** A coupon or a place is looked up beside the path that gave it. */
function given(answer: RouteAnswer): RouteAnswer {
  const isNew = answer.status === 201 || answer.status === 202;
  return isNew ? { ...answer, headers: { ...answer.headers, Location: 'status' } } : answer;
}

export function isJson(contentType: string | null): boolean {
  return (contentType ?? '').split(';')[0]!.trim().toLowerCase() === 'application/json';
}

/**
 * An image, a frame or a link of another origin, whose browser sends the cookies of the user and reads no answer. A script
 * asks by CORS: without the leave of the shop its browser closes the connection.
 */
function isEmbedded(call: RouteCall): boolean {
  const site = call.header('sec-fetch-site');
  return (site === 'cross-site' || site === 'same-site') && call.header('sec-fetch-mode') !== 'cors';
}

function requestIdOf(call: RouteCall): { requestId?: string } {
  const requestId = call.header('idempotency-key');
  if (requestId === null) return {};
  if (!IDEMPOTENCY_KEY.test(requestId)) {
    throw new HttpProblem(400, 'send one Idempotency-Key of 1 to 128 visible ASCII characters, without spaces');
  }
  return { requestId };
}

/** Rejects with it, if it rejects soon. */
async function settledSoon(first: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const soon = new Promise((resolve) => {
    timer = setTimeout(resolve, FIRST_CHANGE_MS);
  });
  try {
    await Promise.race([first, soon]);
  } finally {
    clearTimeout(timer);
  }
}
