import { AsyncLocalStorage } from 'node:async_hooks';
import { expect, test } from 'vitest';
import { Batcher } from '../../src/flow/batcher.js';
import { PendingWork } from '../../src/flow/pending-work.js';
import { issueFast } from '../../src/issue/fast-path.js';
import { issue } from '../../src/issue/issue.js';
import type { SaveOutcome, SaveRequest, Saves } from '../../src/issue/save.js';
import type { IssueCall, Steps } from '../../src/issue/steps.js';
import { RedisError } from '../../src/model/errors.js';
import type { CouponEvent } from '../../src/model/events.js';
import type { Issuance } from '../../src/model/issuance.js';
import type { Verbs } from '../../src/redis/held.js';
import { CampaignOverError } from '../../src/redis/registry.js';
import { Reservation } from '../../src/redis/reservation.js';
import type { ReserveRequest } from '../../src/redis/reserve-call.js';
import type { ReserveAnswer } from '../../src/redis/reserve-replies.js';
import type { Serving } from '../../src/redis/serving.js';
import { anIssuance } from './support.js';

const NEVER = Number.POSITIVE_INFINITY;
const VERBS = ['confirm', 'release', 'withdraw', 'reassign', 'adopt'] as const;
type Verb = (typeof VERBS)[number] | 'postpone';

/** The answers of Redis and the database to one call, in their order; the last one of a list stays. */
interface Scene {
  readonly reserve: readonly (string | Error)[];
  readonly save: readonly string[];
  readonly verbs: Partial<Record<Verb, string>>;
  readonly saveMode: 'write-through' | 'write-behind';
  readonly generateCodes: boolean;
  /** The caller was told `accepted` meanwhile. */
  readonly promised: boolean;
}

const PLAIN: Scene = {
  reserve: ['new'],
  save: ['saved'],
  verbs: {},
  saveMode: 'write-through',
  generateCodes: false,
  promised: false,
};

const FINE: Record<Verb, string> = {
  confirm: 'confirmed',
  release: 'released',
  withdraw: 'withdrawn',
  reassign: 'reassigned',
  adopt: 'adopted',
  postpone: 'quarantined',
};
const FOUND = ['issued', 'issued:revoked', 'taken_over', 'retaken', 'gone', 'stale', 'error'];
const HELD = ['new', 'existing'];
const AT_ONCE = [
  'expired',
  'unattended',
  'issued',
  'issued:new',
  'issued:new:unsafe',
  'revoked',
  'already_issued',
  'sold_out',
];
const SHUT = ['paused', 'not_open', 'closed', 'not_ready'];
const REFUSED = ['not_saved:no', 'not_saved:yes', 'not_saved:for_good', 'refused'];
const CONFLICTS = [
  'user_conflict:own',
  'user_conflict:revoked',
  'user_conflict:other',
  'serial_conflict',
  'code_conflict',
];
const SAVES = ['saved', 'unknown', 'error', ...REFUSED, ...CONFLICTS];
/** The verbs that a save outcome leads to. */
const AFTER: Record<string, readonly Verb[]> = {
  saved: ['confirm'],
  ...Object.fromEntries(REFUSED.map((save) => [save, ['release', 'postpone'] as const])),
  'user_conflict:own': ['adopt'],
  'user_conflict:revoked': ['adopt'],
  'user_conflict:other': ['adopt'],
  serial_conflict: ['reassign', 'withdraw'],
  code_conflict: ['reassign', 'withdraw'],
};
const OTHERS: Partial<Record<Verb, readonly string[]>> = { reassign: ['sold_out'], postpone: ['postponed'] };

function* scenes(): Generator<Scene> {
  const failures = [
    new RedisError('away', { outcome: 'not_applied' }),
    new CampaignOverError('launch', new Date(5), false),
  ];
  for (const saveMode of ['write-through', 'write-behind'] as const) {
    for (const answer of [...AT_ONCE, ...SHUT, ...HELD, ...failures]) yield { ...PLAIN, saveMode, reserve: [answer] };
  }
  for (const [answer, save, promised, generateCodes] of product(HELD, SAVES, [false, true], [false, true])) {
    const scene: Scene = { ...PLAIN, reserve: [answer], save: [save, 'saved'], promised, generateCodes };
    yield scene;
    for (const verb of AFTER[save] ?? []) {
      for (const word of [...FOUND, ...(OTHERS[verb] ?? [])]) yield { ...scene, verbs: { [verb]: word } };
    }
    // The same refusal every time: no other unit can be had, or more rows were forgotten than there can be.
    yield { ...scene, save: [save] };
    if (save !== 'user_conflict:other') continue;
    for (const next of [...AT_ONCE, ...SHUT, ...HELD, ...failures]) yield { ...scene, reserve: [answer, next] };
  }
}

function* product<A, B, C, D>(as: A[], bs: B[], cs: C[], ds: D[]): Generator<[A, B, C, D]> {
  for (const a of as) for (const b of bs) for (const c of cs) for (const d of ds) yield [a, b, c, d];
}

const context = new AsyncLocalStorage<string>();

/** Everything that anybody sees of two calls of one moment, each in an async context of its own. */
async function seen(road: typeof issue, scene: Scene) {
  const log: unknown[] = [];
  const pending = new PendingWork();
  const world = aWorld(scene, log);
  const results = ['ann', 'bob'].map((userId) =>
    context.run(userId, async () => {
      const call = aCall(userId);
      if (scene.promised) call.promised = true;
      const result = await road(world.serving, call, { steps: world.steps, pending }).catch((error) => ({
        name: error.name,
        message: error.message,
        outcome: error.outcome,
      }));
      log.push(['told', context.getStore(), plain(result)]);
      return { call: { ...call, code: '', reserved: call.reserved && plain(call.reserved.issuance) } };
    }),
  );
  const calls = await Promise.all(results);
  await pending.idle();
  return { log: sorted(log), calls };
}

/** Both calls run at once, so only the order within each of them counts. */
function sorted(log: readonly unknown[]): unknown {
  const of = (userId: string) => log.filter((one) => JSON.stringify(one).includes(userId));
  return { ann: of('ann'), bob: of('bob') };
}

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, one) => (key === 'code' && one !== null ? 'some code' : one)));
}

function aCall(userId: string): IssueCall {
  const now = { abandoned: false, sent: false, reserved: null, promised: false, replayed: false };
  return { id: `id-${userId}`, isMinted: true, userId, code: '', data: '', deadlineAt: NEVER, ...now };
}

function aWorld(scene: Scene, log: unknown[]) {
  const next = nextOf();
  const verbs = {} as Record<string, unknown>;
  const batched = <T, R>(run: (item: T) => R) =>
    new Batcher<T, R>({ maxBatch: 100, maxInFlight: 10, run: async (items) => items.map(run) });
  const answer = (verb: Verb, reservation: Reservation, rest: object = {}) => {
    const word = scene.verbs[verb] ?? FINE[verb];
    log.push([verb, reservation.issuance.userId, reservation.issuance.serial, plain(rest)]);
    if (word === 'error') throw new RedisError(`${verb} failed`, { outcome: 'unknown' });
    return word;
  };
  const { issuance: _, ...none } = { issuance: null };
  const withIssuance = (given: string, { issuance }: Reservation) => {
    const [word, state = 'issued'] = given.split(':');
    return word === 'issued' || word === 'taken_over' ? { word, issuance: { ...issuance, state } } : { word, ...none };
  };
  const reserved = (userId: string, serial: number, mayRelease: boolean) =>
    new Reservation(verbs as unknown as Verbs, {
      field: `1:${userId}`,
      stamp: String(serial),
      data: '{"from":"shop"}',
      issuance: unit(userId, serial),
      mayRelease,
      tries: { failures: 0, counted: 0 },
      leaseEndsAt: NEVER,
    });
  verbs.confirms = batched((one: Reservation) => answer('confirm', one));
  verbs.withdrawals = batched((one: Reservation) => answer('withdraw', one));
  verbs.releases = batched((one: Reservation) => withIssuance(answer('release', one), one));
  verbs.adoptions = batched(({ reservation, ...rest }: { reservation: Reservation }) =>
    answer('adopt', reservation, rest),
  );
  verbs.postponements = batched(({ reservation, ...rest }: { reservation: Reservation }) =>
    answer('postpone', reservation, rest),
  );
  verbs.reassignments = batched(({ reservation, ...rest }: { reservation: Reservation }) => {
    const word = answer('reassign', reservation, rest);
    const { userId, serial } = reservation.issuance;
    return word === 'reassigned'
      ? { word, reservation: reserved(userId, serial + 10, false) }
      : withIssuance(word, reservation);
  });
  const reserves = batched((request: ReserveRequest): ReserveAnswer => {
    const given = next(`reserve ${request.userId}`, scene.reserve);
    log.push(['reserve', request.userId, request.id]);
    if (given instanceof Error) throw given;
    return reserveAnswer(given, request.userId, reserved);
  });
  const saves = batched(({ reserved: { issuance } }: SaveRequest) => {
    const given = next(`save ${issuance.userId}`, scene.save);
    log.push(['save', issuance.userId, issuance.serial]);
    if (given === 'error') throw new Error('no batch');
    return saveOutcome(given, issuance);
  });
  // The fast path has one fault that no call is told: it belongs to its batch, which may be of another context.
  const ofBatch = (event: CouponEvent) => event.type === 'fault' && event.during === 'confirm';
  const emit = (event: CouponEvent) => log.push(['event', !ofBatch(event) && context.getStore(), plain(event)]);
  const steps = {
    saves: saves as unknown as Saves,
    deliveries: null,
    hasHooks: true,
    timeoutMs: 1_000,
    recall: undefined,
    emit,
  };
  const runner = { unsent: (state: string) => new RedisError(state, { outcome: 'not_applied' }) };
  const { saveMode, generateCodes } = scene;
  const campaign = { id: 'launch', rules: { saveMode, generateCodes, perUser: 2 } };
  const serving = { campaign, shard: { context: { runner } }, reserves } as unknown as Serving;
  return { serving, steps: steps as unknown as Steps };
}

/** One answer after another of each list; the last one stays. */
function nextOf() {
  const at = new Map<string, number>();
  return <T>(name: string, list: readonly T[]): T => {
    const i = at.get(name) ?? 0;
    at.set(name, i + 1);
    return list[Math.min(i, list.length - 1)]!;
  };
}

function unit(userId: string, serial: number): Issuance {
  return Object.freeze(anIssuance(serial, { id: `id-${userId}`, userId }));
}

function reserveAnswer(
  given: string,
  userId: string,
  reserved: (...of: [string, number, boolean]) => Reservation,
): ReserveAnswer {
  const [word, isNew, unsafe] = given.split(':');
  const issuance = unit(userId, 1);
  switch (word) {
    case 'new':
    case 'existing':
      return { word, reservation: reserved(userId, 1, word === 'new') };
    case 'unattended':
      return { word, issuance };
    case 'revoked':
      return { word, issuance: { ...issuance, state: 'revoked' } };
    case 'issued':
      return { word, issuance, ...(isNew && { isNew: true }), ...(unsafe && { unsafe: true }) };
    case 'already_issued':
      return { word, issuances: [issuance] };
    case 'not_open':
      return { word, opensAt: new Date(7) };
    case 'closed':
      return { word, closedAt: new Date(8) };
    case 'not_ready':
      return { word, reason: 'rebuilding' };
    default:
      return { word: word as 'sold_out' | 'paused' | 'expired' };
  }
}

function saveOutcome(given: string, issuance: Issuance): SaveOutcome {
  const [verdict, more] = given.split(':');
  const row = { ...issuance, serial: issuance.serial + 100, state: 'issued' as const };
  switch (verdict) {
    case 'not_saved':
      return { verdict, error: new Error('gone'), refusal: more as 'no' | 'yes' | 'for_good' };
    case 'refused':
      return { verdict, reason: 'barred' };
    case 'user_conflict':
      if (more === 'revoked') return { verdict, existing: { ...row, state: more } };
      return { verdict, existing: more === 'own' ? row : { ...row, id: `other-of-${issuance.userId}` } };
    default:
      return { verdict: verdict as 'saved' | 'unknown' | 'serial_conflict' | 'code_conflict' };
  }
}

test('the fast path does and tells what issue() does and tells, whatever happens to a call', async () => {
  const told = new Set<unknown>();
  let count = 0;
  for (const scene of scenes()) {
    const [narrated, fast] = [await seen(issue, scene), await seen(issueFast, scene)];
    expect(fast, JSON.stringify(scene)).toEqual(narrated);
    const { ann } = narrated.log as { ann: [string, string, { status?: string; name?: string }][] };
    for (const [word, , result] of ann) if (word === 'told') told.add(result.status ?? result.name);
    count++;
  }
  expect(count).toBeGreaterThan(400);
  const statuses = [
    'issued',
    'accepted',
    'revoked',
    'already_issued',
    'sold_out',
    'paused',
    'not_open',
    'closed',
    'not_ready',
  ];
  const errors = ['NotIssuedError', 'RedisError', 'Error', 'CampaignConflictError'];
  expect([...told].sort()).toEqual([...statuses, ...errors, 'not_eligible'].sort());
});
