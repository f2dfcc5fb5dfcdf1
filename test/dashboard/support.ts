import { createServer, type IncomingMessage } from 'node:http';
import { type DashboardUser, dashboard, nodeDashboard, type ShownIssuer } from '../../src/dashboard/index.js';
import { listen } from '../web/support.js';

/** The person of a request is a header here, so that a test is any person it likes. */
const PERSON = 'x-person';
export const PEOPLE: Readonly<Record<string, DashboardUser>> = {
  kim: { role: 'write', name: 'kim' },
  lee: { role: 'read', name: 'lee' },
};

interface AskedPage {
  readonly person?: string | null;
  readonly headers?: Record<string, string>;
  readonly method?: string;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

export interface Desk {
  readonly ask: (path: string, asked?: AskedPage) => Promise<Response>;
  readonly faults: unknown[];
  stop(): Promise<void>;
}

interface DeskOptions {
  readonly hosts?: readonly string[];
  readonly personOf?: (name: string | null) => unknown;
}

/** As the page asks. A header that is the empty string is left out. */
function initOf({ person = 'kim', headers = {}, method = 'POST', body, signal }: AskedPage): RequestInit {
  const own = {
    'content-type': 'application/json',
    'x-coupon-issuer': 'dashboard',
    [PERSON]: person ?? '',
    ...headers,
  };
  const sent = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== ''));
  const text = typeof body === 'string' ? body : JSON.stringify(body ?? {});
  return { method, headers: sent, ...(signal && { signal }), ...(method === 'POST' && { body: text }) };
}

const known = (name: string | null): unknown => (name === null ? null : (PEOPLE[name] ?? null));

export function fetchDesk(issuer: ShownIssuer, { personOf = known, ...options }: DeskOptions = {}): Desk {
  const faults: unknown[] = [];
  const answer = dashboard(issuer, {
    ...options,
    authorize: ({ headers }) => personOf(headers.get(PERSON)) as DashboardUser,
    onError: (error) => faults.push(error),
  });
  const ask: Desk['ask'] = (path, asked = {}) => answer(new Request(`http://desk.test${path}`, initOf(asked)));
  return { ask, faults, stop: async () => {} };
}

export async function nodeDesk(
  issuer: ShownIssuer,
  { personOf = known, ...options }: DeskOptions = {},
): Promise<Desk & { readonly port: number }> {
  const faults: unknown[] = [];
  const answer = nodeDashboard<IncomingMessage>(issuer, {
    ...options,
    authorize: ({ headers }) => personOf((headers[PERSON] as string | undefined) ?? null) as DashboardUser,
    onError: (error) => faults.push(error),
  });
  const { port, stop } = await listen(createServer(answer));
  return { port, faults, stop, ask: (path, asked = {}) => fetch(`http://127.0.0.1:${port}${path}`, initOf(asked)) };
}

/** Both forms of the dashboard: what holds for one holds for the other. */
export const FORMS: [form: string, open: (issuer: ShownIssuer, options?: DeskOptions) => Desk | Promise<Desk>][] = [
  ['the fetch form', fetchDesk],
  ['the Node form', nodeDesk],
];
