import { expect } from 'vitest';
import { type CouponIssuer, NotReadyError, type WaitingChange } from '../../../src/index.js';
import { LIMIT } from '../checks/lengths.js';
import { seeded } from '../checks/random.js';
import { pause, until } from '../checks/until.js';
import { rebuildNamed } from './named.js';
import type { WaitingScene } from './waiting-scene.js';

export interface Visiting {
  /** One a process; each visitor stays with one of them. */
  readonly issuers: readonly CouponIssuer[];
  readonly users: readonly string[];
  /** How many of them come before `comeOn`. */
  readonly first: number;
  /** How many join at a time. */
  readonly askers: number;
  /** Which share of those who wait leaves again. */
  readonly leaving: number;
  readonly seed: number;
}

/** What is judged how. */
export interface Judged {
  /** Whether Redis forgot something, so that places may be lost and who left may wait again. */
  readonly losses: boolean;
  /** Who had their row before a rebuild: the order is judged of those after them, who may hold tickets that were handed out twice. */
  readonly before?: readonly string[];
}

const MORE = 50;

const AGAIN_MS = 10;
const PASSING: readonly unknown[] = ['REDIS', 'OVERLOADED'];

/** What has no answer is asked again: a client may be about to connect to the new master. */
async function answered<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    const told = await ask().catch((error: unknown) => {
      if (isPassing(error)) return null;
      throw error;
    });
    if (told !== null) return told;
    await pause(AGAIN_MS);
  }
}

function isPassing(error: unknown): boolean {
  return PASSING.includes((error as { code?: unknown }).code);
}

/**
 * Users who join, watch their place to the end, and join again if it was lost. What has no answer is asked again, as a user would; who is told that the
 * state is not ready rests until `goOn`.
 */
export class Visitors {
  /** How it ended for each, and their serial if they were issued. */
  readonly endings = new Map<string, { readonly status: string; readonly serial: number | null }>();
  /** What `leave()` told. */
  readonly left = new Map<string, string>();
  /** Whose place was lost, each time. */
  readonly lost: string[] = [];
  /** Who was told `not_ready`, and why. */
  readonly refusals = new Map<string, string>();
  /** Positions that grew. */
  readonly grown: string[] = [];
  requests = 0;
  failed = 0;
  /** The others come too. */
  comeOn: () => void = () => {};
  readonly #scene: WaitingScene;
  readonly #visiting: Visiting;
  readonly #queue: string[];
  readonly #lives: Promise<void>[] = [];
  readonly #askers: Promise<void>[];
  readonly #refused = new Set<string>();
  readonly #othersMayCome: Promise<void>;
  #goOn: () => void = () => {};
  #gate: Promise<void>;
  #begun = 0;
  #servedAt = performance.now();
  #outageMs = 0;

  constructor(scene: WaitingScene, visiting: Visiting) {
    this.#scene = scene;
    this.#visiting = visiting;
    this.#queue = [...visiting.users];
    this.#gate = this.#closedGate();
    this.#othersMayCome = new Promise((resolve) => {
      this.comeOn = resolve;
    });
    const random = seeded(visiting.seed);
    const leaving = new Set(visiting.users.filter(() => random() < visiting.leaving));
    this.#askers = Array.from({ length: visiting.askers }, (_, i) =>
      this.#keepComing(visiting.issuers[i % visiting.issuers.length]!, leaving),
    );
  }

  /** How many were told that they wait. */
  get waited(): number {
    return this.#scene.tickets.size;
  }

  get issued(): number {
    return [...this.endings.values()].filter(({ status }) => status === 'issued').length;
  }

  /** Whether everybody who came and was not told an end was told last that the state is not ready. */
  get allRefused(): boolean {
    return this.#refused.size === this.#begun - this.endings.size;
  }

  /** The longest time nobody was told their place or their coupon. */
  get outageSeconds(): number {
    return this.#outageMs / 1000;
  }

  /** The state serves again: whoever rests asks once more. */
  goOn(): void {
    const open = this.#goOn;
    this.#gate = this.#closedGate();
    open();
  }

  /** Resolves once everybody has come and was told how it ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#askers);
    await Promise.all(this.#lives);
  }

  /** The others come too, until each process knows of people who joined, and were let through, since. */
  async moreCome(): Promise<void> {
    const [waited, issued] = [this.waited, this.issued];
    this.comeOn();
    await until(() => this.waited >= waited + MORE && this.issued >= issued + MORE);
    const { campaignId } = this.#scene;
    for (const issuer of this.#visiting.issuers) {
      await answered(() => issuer.campaign(campaignId).userStatus({ userId: 'nobody' }));
    }
  }

  /** To the end; if somebody is told on the way that Redis forgot something, it is rebuilt. */
  async endRebuilding(): Promise<void> {
    const ended = this.ended();
    await Promise.race([ended, until(() => this.refusals.size > 0, LIMIT)]);
    if (this.refusals.size > 0) {
      await answered(() => rebuildNamed(this.#scene.issuer, this.#scene.definition));
      this.goOn();
    }
    await ended;
  }

  /** Once everybody is told that Redis forgot something, and nothing moves any more, it is rebuilt; then to the end. */
  async endRefused(): Promise<void> {
    const scene = this.#scene;
    const { issuers } = this.#visiting;
    await until(() => this.allRefused, 30_000);
    expect(new Set(this.refusals.values())).toEqual(new Set(['rolled_back']));
    await Promise.all(issuers.map((issuer) => issuer.idle()));
    const before = await scene.rows();
    for (const issuer of issuers) {
      const joined = await answered(() => scene.join('stranger', issuer));
      expect(joined).toEqual({ status: 'not_ready', reason: 'rolled_back' });
      await expect(answered(() => scene.leave('user-1', issuer))).rejects.toThrow(NotReadyError);
      await expect(answered(() => scene.admit(5, issuer))).rejects.toThrow(NotReadyError);
    }
    expect(await scene.rows(), 'nothing moves').toEqual(before);
    await answered(() => rebuildNamed(scene.issuer, scene.definition));
    this.goOn();
    await this.ended();
    expect(this.lost.length, 'somebody was forgotten').toBeGreaterThan(0);
    expect((await scene.rows()).slice(0, before.length), 'who had a coupon has it').toEqual(before);
    await this.check({ losses: true, before: before.map(({ userId }) => userId) });
  }

  /** Holds what everybody was told against the rows. */
  async check({ losses, before = [] }: Judged): Promise<void> {
    const rows = await this.#scene.rows();
    const serials = new Map(rows.map(({ userId, serial }) => [userId, serial]));
    expect(this.endings.size, 'everybody was told how it ended').toBe(this.#visiting.users.length);
    const statuses = new Set([...this.endings.values()].map(({ status }) => status));
    const known = ['issued', 'sold_out', 'left', ...(losses ? ['lost'] : [])];
    expect(
      [...statuses].filter((status) => !known.includes(status)),
      'how it may end',
    ).toEqual([]);
    const untrue = [...this.endings].filter(([userId, { status, serial }]) => {
      // A leave that Redis forgot: they wait again, and may be served.
      if (losses && status === 'left') return false;
      return (serials.get(userId) ?? null) !== (status === 'issued' ? serial : null);
    });
    expect(untrue, 'issued has its row, and nobody else has one').toEqual([]);
    const wrong = [...this.left].filter(([userId, status]) => status === 'left' && serials.has(userId));
    if (!losses) {
      expect(wrong, 'who left was not served').toEqual([]);
      expect(this.lost, 'nobody lost their place').toEqual([]);
      expect([...this.refusals], 'nothing was refused').toEqual([]);
      expect(this.grown, 'no position grew').toEqual([]);
    }
    // Served before the answer to their join arrived, a few were told no ticket.
    const after = rows.filter(({ userId }) => this.#scene.tickets.has(userId) && !before.includes(userId));
    expect(after.length, 'those whose ticket is known').toBeGreaterThan((rows.length - before.length) / 2);
    const behind = after.find(({ userId }, i) => i > 0 && this.#ticket(userId) <= this.#ticket(after[i - 1]!.userId));
    expect(behind, 'serials follow tickets').toBeUndefined();
  }

  #ticket(userId: string): number {
    return this.#scene.tickets.get(userId)!;
  }

  #closedGate(): Promise<void> {
    return new Promise((resolve) => {
      this.#goOn = resolve;
    });
  }

  async #keepComing(issuer: CouponIssuer, leaving: ReadonlySet<string>): Promise<void> {
    for (let userId = this.#queue.shift(); userId; userId = this.#queue.shift()) {
      if (this.#begun >= this.#visiting.first) await this.#othersMayCome;
      this.#begun++;
      const first = await this.#join(userId, issuer);
      this.#lives.push(this.#live(userId, issuer, { first, leaves: leaving.has(userId) }));
    }
  }

  /** From the answer to the first join to the end. */
  async #live(
    userId: string,
    issuer: CouponIssuer,
    { first, leaves }: { first: WaitingChange | null; leaves: boolean },
  ): Promise<void> {
    let last = first;
    while (last === null) {
      last = await this.#watch(userId, issuer, leaves);
      // Redis forgot that they ever came: they come again.
      if (last?.status === 'lost' || last?.status === 'none') {
        this.lost.push(userId);
        this.#scene.tickets.delete(userId);
        if (!leaves) last = await this.#join(userId, issuer);
      }
    }
    const serial = last.status === 'issued' ? last.issuance.serial : null;
    this.endings.set(userId, { status: last.status === 'none' ? 'lost' : last.status, serial });
  }

  /** An end, or `null` for a place. */
  async #join(userId: string, issuer: CouponIssuer): Promise<WaitingChange | null> {
    const joined = await this.#sure(userId, () => this.#scene.join(userId, issuer));
    switch (joined.status) {
      case 'waiting':
      case 'accepted':
        return null;
      case 'issued':
        return joined;
      case 'sold_out':
        return { status: 'sold_out' };
      default:
        throw new Error(`${userId} was told ${joined.status}`);
    }
  }

  async #watch(userId: string, issuer: CouponIssuer, leaves: boolean): Promise<WaitingChange | null> {
    let last: WaitingChange | null = null;
    let leaving: Promise<unknown> | null = null;
    let position = Number.POSITIVE_INFINITY;
    for await (const change of issuer.campaign(this.#scene.campaignId).watch({ userId })) {
      last = change;
      if (change.status === 'not_ready') {
        this.refusals.set(userId, change.reason);
        this.#refused.add(userId);
        continue;
      }
      this.#refused.delete(userId);
      this.#served();
      if (change.status !== 'waiting') continue;
      if (change.position! > position) this.grown.push(`${userId}: ${position} ${change.position}`);
      position = change.position!;
      if (leaves) leaving ??= this.#leave(userId, issuer);
    }
    await leaving;
    return last;
  }

  async #leave(userId: string, issuer: CouponIssuer): Promise<void> {
    const { status } = await this.#sure(userId, () => this.#scene.leave(userId, issuer));
    this.left.set(userId, status);
  }

  #served(): void {
    const now = performance.now();
    this.#outageMs = Math.max(this.#outageMs, now - this.#servedAt);
    this.#servedAt = now;
  }

  async #sure<T extends { readonly status: string }>(userId: string, ask: () => Promise<T>): Promise<T> {
    for (;;) {
      const gate = this.#gate;
      this.requests++;
      const told = await ask().catch((error: Error) => error);
      const isError = told instanceof Error;
      if (!isError && told.status !== 'not_ready') {
        this.#refused.delete(userId);
        this.#served();
        return told;
      }
      const reason = told instanceof NotReadyError || !isError ? (told as { reason?: unknown }).reason : null;
      if (reason !== null) {
        this.refusals.set(userId, String(reason));
        this.#refused.add(userId);
        await gate;
      } else {
        if (!isPassing(told)) throw told;
        this.failed++;
        await pause(AGAIN_MS);
      }
    }
  }
}
