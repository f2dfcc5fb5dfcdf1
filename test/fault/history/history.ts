import {
  CouponIssuer,
  type CouponIssuerOptions,
  type Issuance,
  type IssueResult,
  type JsonObject,
  RedisError,
} from '../../../src/index.js';
import { type Belief, emptyBelief } from './belief.js';
import { MoodyDatabase } from './database.js';
import { type Deed, Deeds, type Said } from './deeds.js';
import type { Ground } from './ground.js';
import { Partner } from './partner.js';
import type { Setting } from './setting.js';
import { Snapshot } from './snapshot.js';
import { type Ask, type Attempt, Told } from './told.js';
import { NEVER, Traffic } from './traffic.js';
import { type Making, Wire } from './wire.js';

export interface Process {
  readonly wire: Wire;
  readonly issuer: CouponIssuer;
}

/** All that Redis kept at one time. */
export interface Copy {
  readonly keys: readonly (readonly [string, Buffer])[];
  readonly belief: Belief;
  readonly strays: readonly string[];
}

/** What was asked in one command, and what came of it before the command ended. */
export interface Answer {
  readonly attempt: Attempt;
  readonly process: Process;
  outcome: IssueResult | Error | null;
  /** Its coupon was revoked before it was asked. */
  readonly afterRevoke: boolean;
}

let histories = 0;

/** Every other user gives data, the same with each call. */
export function dataOf(userId: string): JsonObject | undefined {
  return userId.charCodeAt(userId.length - 1) % 2 === 0 ? { of: userId } : undefined;
}

/** One campaign, its processes, its database, and a plain record of what its users and operators were told. */
export class History {
  readonly id = `history-${++histories}`;
  readonly setting: Setting;
  readonly ground: Ground;
  readonly traffic: Traffic;
  readonly database: MoodyDatabase;
  readonly partner: Partner;
  readonly processes: Process[];
  readonly told = new Told(this.id);
  readonly deeds = new Deeds();
  belief: Belief = emptyBelief();
  /** `behind`: Redis lost something that no rebuild has brought back. */
  trust: 'whole' | 'behind' = 'whole';
  lost = false;
  /** Rows that Redis did not know of, by id; a rebuild brings them back, and an older copy does not know of them again. */
  strays: ReadonlySet<string> = new Set();
  /** Epochs of before a loss: a save that was under way then may still land. */
  readonly forgiven = new Set<string>();
  readonly epochs = new Set<string>();
  /** How each state came to be, by the random half of its epoch. */
  readonly makings = new Map<string, Making>();
  /** The most units that ever were. */
  ceiling = 0;
  /** The most coupons of one user that an operator ever asked for. */
  mostPerUser: number;
  /** A rebuild was refused because there are more units than its definition said. */
  larger = false;
  /** Codes that were ever loaded, those that an operator would give a rebuild, and those that no list has any more: withdrawn or replaced. */
  readonly loaded = new Set<string>();
  readonly forRebuild = new Set<string>();
  readonly recalled = new Set<string>();
  readonly delivered = new Map<string, string>();
  /** One for the end of each command. */
  readonly copies: Copy[] = [];
  /** Whose call was told `not_issued` since the last command ended, by id. */
  readonly denied = new Set<string>();
  /** As they were when the last command had ended. */
  before!: { readonly books: Snapshot; readonly rows: readonly Issuance[] };
  readonly #hands = new Map<string, string>();
  readonly #underWay = new Set<Answer>();
  readonly #deeds = new Map<Deed, Process>();

  private constructor(ground: Ground, setting: Setting) {
    this.ground = ground;
    this.setting = setting;
    this.mostPerUser = setting.perUser;
    this.traffic = new Traffic(ground.tally);
    this.database = new MoodyDatabase(this.traffic);
    this.partner = new Partner(this.traffic);
    this.partner.onDelivery = (issuance) => {
      this.delivered.set(issuance.id, issuance.code ?? '');
      this.shown(issuance);
    };
    this.processes = ground.clients.map((_, i) => this.#start(i));
  }

  static async begin(ground: Ground, setting: Setting): Promise<History> {
    await ground.redis.flushall();
    const history = new History(ground, setting);
    history.before = { books: await history.books(), rows: [] };
    return history;
  }

  books(): Promise<Snapshot> {
    return Snapshot.read(this.ground.redis, this.id);
  }

  async copy(): Promise<void> {
    const { redis } = this.ground;
    const names = (await redis.keys('*')).sort();
    const values = await Promise.all(names.map((name) => redis.dumpBuffer(name)));
    this.copies.push({
      keys: names.map((name, i) => [name, values[i]!]),
      belief: { ...this.belief },
      strays: [...this.strays],
    });
  }

  /** Lets something go on by itself: it may wait for what is held, or for ever. */
  pursue<T>(work: Promise<T>): Promise<T> {
    work.catch(() => {});
    return work;
  }

  ask(process: Process, ask: Ask): Answer {
    this.ground.tally.requests++;
    const attempt = this.told.asked(ask, this.trust === 'behind');
    const afterRevoke = this.trust === 'whole' && this.deeds.isTakenBack(attempt.id);
    const answer: Answer = { attempt, process, outcome: null, afterRevoke };
    this.#underWay.add(answer);
    const asked = process.issuer
      .campaign(this.id)
      .issue({ ...ask, data: dataOf(ask.userId) })
      .catch((error: Error) => error);
    this.pursue(asked.then((outcome) => this.#answered(answer, outcome)));
    return answer;
  }

  /** Somebody was shown a code, or it was delivered to them. */
  shown({ id, code, userId, epoch }: Issuance): void {
    // A save of before a loss may have landed since, and a repeat is told its row under the epoch of now.
    const isLate = this.forgiven.has(epoch) || this.told.attempts.get(id)?.exempt === true;
    if (code === null || this.trust === 'behind' || isLate) return;
    const holder = this.#hands.get(code) ?? userId;
    this.#hands.set(code, holder);
    if (holder !== userId) this.told.violations.push(`code ${code} of ${holder} was given to ${userId}`);
  }

  /** The process dies: nobody hears of what it had under way. */
  crash(index: number): void {
    const process = this.processes[index]!;
    process.wire.dead = true;
    for (const answer of this.#underWay) {
      if (answer.process === process) this.#answered(answer, new RedisError('it died', { outcome: 'unknown' }));
    }
    for (const [deed, of] of this.#deeds) {
      if (of === process) this.#did(deed, new RedisError('it died', { outcome: 'unknown' }));
    }
    this.processes[index] = this.#start(index);
  }

  /** A shop does something with a coupon; it may wait for what is held, or for ever. */
  does(
    process: Process,
    begun: Parameters<Deeds['begun']>[0],
    doing: (launch: ReturnType<CouponIssuer['campaign']>) => Promise<Said>,
  ): Deed {
    this.ground.tally.requests++;
    const deed = this.deeds.begun(begun);
    this.#deeds.set(deed, process);
    const done = doing(process.issuer.campaign(this.id)).catch((error: Error) => error);
    this.pursue(done.then((said) => this.#did(deed, said)));
    return deed;
  }

  #did(deed: Deed, said: Said): void {
    if (!this.#deeds.delete(deed)) return;
    this.deeds.answered(deed, said, this.database.now);
    this.told.log.push(`${deed.verb} ${deed.of} ${deed.order} was told ${deed.told}`);
  }

  /** Redis lost something that was there. */
  lose(): void {
    this.lost = true;
    this.trust = 'behind';
    for (const epoch of this.epochs) this.forgiven.add(epoch);
    this.told.exempt();
    this.#hands.clear();
  }

  #answered(answer: Answer, outcome: IssueResult | Error): void {
    if (!this.#underWay.delete(answer)) return;
    answer.outcome = outcome;
    if (this.told.answered(answer.attempt, outcome) === 'not_issued') this.denied.add(answer.attempt.id);
    if (outcome instanceof Error) return;
    if (outcome.status === 'issued') this.shown(outcome.issuance);
    if (outcome.status === 'issued' && answer.afterRevoke && this.trust === 'whole') {
      this.told.violations.push(`L6: ${answer.attempt.id} was told issued after its revoke was answered`);
    }
    if (outcome.status === 'already_issued') for (const one of outcome.issuances) this.shown(one);
    if (outcome.status === 'accepted' && outcome.issuance.code !== null) {
      this.told.violations.push(`${outcome.issuance.userId} was shown a code before its row was there`);
    }
  }

  #start(index: number): Process {
    const wire = new Wire(this.ground.clients[index]!, this.traffic, (random, how) => this.makings.set(random, how));
    const alive = <T>(work: () => Promise<T>) => (wire.dead ? NEVER : work());
    const { database, partner, setting } = this;
    const options: CouponIssuerOptions = {
      redis: wire,
      persistence: {
        save: (issuances) => alive(() => database.save(issuances)),
        list: (id, page) => alive(() => database.list(id, page)),
        look: (refs) => alive(() => database.look(refs)),
        change: (changes) => alive(() => database.change(changes)),
        listByUser: (ids, page) => alive(() => database.reads.listByUser(ids, page)),
        campaigns: () => alive(() => database.reads.campaigns()),
        count: (id) => alive(() => database.reads.count(id)),
        ...(setting.finds && { find: (issuances: readonly Issuance[]) => alive(() => database.find(issuances)) }),
      },
      ...(setting.delivers && {
        deliver: (issuance: Issuance) => alive(() => partner.deliver(issuance)),
        recall: (issuance: Issuance) => void this.recalled.add(issuance.code ?? ''),
      }),
      onEvent: (event) => this.deeds.heard(event),
      ...{ leaseMs: 600_000, timeoutMs: 300_000, maxInFlight: 8, maxTries: 2, maxBatch: setting.maxBatch },
    };
    return { wire, issuer: new CouponIssuer(options) };
  }
}
