import { freshRedis } from './initial.js';
import { goAstray } from './soundness.js';
import type { Build, Grant, Message, Redis, Reply, Row, State } from './state.js';
import { nextStamp, takeUnit, useStamp, withdrawUnit } from './stock.js';
import { codeOf, epochOf, generationOf, serialOf, unitOf } from './units.js';
import type { World } from './world.js';

const word = (text: string): Reply => ({ word: text, items: [] });

/** begin-rebuild.lua. `epoch` is the one that was found, `n` what becomes the random part of the new one. */
export function begin(world: World, state: State, { epoch: from, n, upTo: definition = 1 }: Message): Reply {
  const { config, rules } = world;
  const { redis } = state;
  const { build } = redis;
  const mine = redis.present && redis.epoch % 16 === n;
  if (mine && rules.rebuildNewEpoch) return build ? building(redis, build) : word('done');
  if (redis.epoch !== from && rules.rebuildNamesEpoch) return word('stale_epoch');
  if (redis.verified && state.lost === 0 && state.finished & (1 << n))
    state.broken = 'I4: a copy of a finished rebuild stops the campaign';
  // By the clock: a copy that runs later makes another epoch.
  const generation = Math.max(generationOf(redis.epoch) + 1, config.clockStands ? 0 : ++state.makings);
  const epoch = rules.rebuildNewEpoch || !redis.present ? epochOf(generation, n) : redis.epoch;
  // A pool that codes were loaded into is made anew: they may be those of another list.
  if (build?.definition === definition && build.phase !== 'codes') {
    redis.epoch = epoch;
    return building(redis, build);
  }
  const fresh = freshRedis(config, epoch);
  const { closed, paused, stamp } = redis;
  state.redis = { ...fresh, verified: false, closed, paused, stamp };
  const kept = fresh.grants.map(() => -1);
  const old = putAside(world, redis);
  // No grant has these codes any more, and they may be known.
  const dropped = build?.dropped ?? 0;
  const progress = { scan: 0, cursor: 0, kept, vacant: [], dropped, listed: 0 };
  state.redis.build = { definition, phase: 'old', old, losses: state.lost, ...progress };
  state.redis.codes |= dropped;
  for (let code = 0; dropped >> code > 0; code++) if (dropped & (1 << code)) state.redis.withdrawn++;
  useStamp(state, nextStamp(world, state));
  return building(state.redis, state.redis.build);
}

function building({ epoch, stamp }: Redis, { phase, cursor }: Build): Reply {
  return { ...word('building'), epoch, phase, at: cursor, stamp };
}

/** The grants are renamed, but never over others that still wait. */
function putAside({ rules }: World, { grants, build }: Redis): readonly (Grant | null)[] {
  if (!rules.rebuildKeepsPromised) return [];
  return build?.old && rules.rebuildKeepsOld ? build.old : grants;
}

/** Why a run goes no further: another one has the epoch, or Redis lost what this one had made. */
function overtaken({ rules }: World, { redis }: State, message: Message): string | null {
  if (!redis.present || (redis.epoch !== message.epoch && rules.rebuildFencesRivals)) return 'stale_epoch';
  return redis.stamp < message.fence && rules.fenceOnRebuild ? 'rolled_back' : null;
}

/** Every step that changes something has a stamp of its own. */
function stamped(world: World, state: State, reply: Reply): Reply {
  useStamp(state, nextStamp(world, state));
  return { ...reply, stamp: state.redis.stamp };
}

/** keep-promised.lua, one field at a time. */
export function keepPromised(world: World, state: State, message: Message): Reply {
  const { redis } = state;
  const refusal = overtaken(world, state, message);
  if (refusal) return word(refusal);
  if (redis.build?.phase !== 'old') return { ...word('done'), stamp: redis.stamp };
  const { build } = redis;
  const old = build.old!;
  const found = old[build.scan];
  const over = build.scan + 1 >= old.length;
  redis.build = { ...build, scan: build.scan + 1, old: over ? null : old, phase: over ? 'rows' : 'old' };
  if (found && !redis.grants[build.scan]) {
    redis.grants[build.scan] = { ...found, state: 't', quarantined: false };
    promise(redis, build.scan, serialOf(found.unit));
    redis.codes |= codeOf(found.unit) ? 1 << codeOf(found.unit) : 0;
  }
  return stamped(world, state, word(over ? 'done' : 'more'));
}

function promise(redis: Redis, slot: number, serial: number): void {
  const build = redis.build!;
  redis.build = { ...build, kept: build.kept.with(slot, serial) };
}

/** rebuild-rows.lua: the rows of (n, upTo]. */
export function writeRows(world: World, state: State, message: Message): Reply {
  const { rules } = world;
  const { redis } = state;
  const refusal = overtaken(world, state, message);
  if (refusal || redis.build?.phase !== 'rows') return word(refusal ?? 'stale_epoch');
  const after = message.n;
  const upTo = message.upTo ?? after;
  const { cursor } = redis.build;
  if (after !== cursor && rules.rebuildCountsPages) return { ...word('ok'), at: cursor, stamp: redis.stamp };
  const rows = message.items.flatMap(({ row }) => (row ? [row] : []));
  const holders = holdersOf(world, redis, after, upTo);
  const freed: number[] = [];
  const winning = rows.filter(({ slot }) => redis.grants[slot]?.state !== 't' || rules.rowsWin);
  for (const row of winning) endPromise(world, state, row, { holders, freed, after });
  for (const row of winning) {
    makeWay(world, state, row, { holders, freed, after });
    redis.grants[row.slot] = { state: 'i', id: row.id, unit: row.unit, stamp: 0, quarantined: false };
    redis.codes |= codeOf(row.unit) ? 1 << codeOf(row.unit) : 0;
  }
  for (let serial = after + 1; serial <= upTo; serial++) {
    const row = rows.find(({ unit }) => serialOf(unit) === serial);
    const [first, ...others] = holders.get(serial) ?? [];
    if (!row && first === undefined) freed.push(serial);
    const losers = row && first !== undefined && rules.rebuildMovesLosers ? [first, ...others] : others;
    for (const slot of losers) lose(world, state, slot, row);
  }
  if (rules.rebuildFreesGaps) free(world, redis, freed);
  redis.lastSerial = upTo;
  redis.build = { ...redis.build!, cursor: upTo };
  return stamped(world, state, { ...word('ok'), at: upTo });
}

/** Who was promised the serials of a stretch. After a rollback it may be several. */
function holdersOf({ rules }: World, { build }: Redis, after: number, upTo: number): Map<number, number[]> {
  const holders = new Map<number, number[]>();
  build!.kept.forEach((serial, slot) => {
    if (serial <= after || serial > upTo) return;
    holders.set(serial, rules.rebuildSeesEveryHolder ? [...(holders.get(serial) ?? []), slot] : [slot]);
  });
  return holders;
}

interface Stretch {
  readonly holders: Map<number, number[]>;
  readonly freed: number[];
  readonly after: number;
}

/** A row ends the promise with its id, wherever that is. */
function endPromise(world: World, state: State, row: Row, stretch: Stretch): void {
  const { redis } = state;
  const { perUser } = world.config;
  const user = row.slot - (row.slot % perUser);
  for (let slot = user; slot < user + perUser; slot++) {
    const promised = redis.grants[slot];
    if (!promised || promised.state === 'i' || promised.id !== row.id) continue;
    forget(world, state, row, slot, stretch);
    redis.grants[slot] = null;
  }
}

/** Another promise in the place of a row moves on, or ends. */
function makeWay(world: World, state: State, row: Row, stretch: Stretch): void {
  const promised = state.redis.grants[row.slot];
  if (!promised || promised.state === 'i') return;
  if (!moveOn(world, state, row, stretch.holders)) forget(world, state, row, row.slot, stretch);
}

/** A promise to another coupon of the user goes to the first grant that has nothing. */
function moveOn({ config }: World, { redis }: State, row: Row, holders: Map<number, number[]>): boolean {
  const promised = redis.grants[row.slot]!;
  const user = row.slot - (row.slot % config.perUser);
  const home = redis.grants.findIndex((grant, slot) => slot >= user && slot < user + config.perUser && !grant);
  if (home < 0) return false;
  for (const [serial, slots] of holders) {
    holders.set(
      serial,
      slots.map((slot) => (slot === row.slot ? home : slot)),
    );
  }
  redis.grants[home] = promised;
  promise(redis, home, redis.build!.kept[row.slot]!);
  promise(redis, row.slot, -1);
  return true;
}

/** The user has this row, so what was promised to them ends here. */
function forget(world: World, state: State, row: Row, slot: number, { holders, freed, after }: Stretch): void {
  const { redis } = state;
  const { unit } = redis.grants[slot]!;
  const serial = serialOf(unit);
  promise(redis, slot, -1);
  const among = holders.get(serial) ?? [];
  const holds = among.includes(slot);
  if (holds)
    holders.set(
      serial,
      among.filter((other) => other !== slot),
    );
  if (serial === serialOf(row.unit)) return;
  if (!holds && serial > 0 && serial <= after && world.rules.rebuildFreesReplaced) freed.push(serial);
  if (codeOf(unit) !== codeOf(row.unit)) drop(world, state, unit);
}

/** A code that may be known outside is withdrawn, any other may be loaded again. */
function drop({ config }: World, state: State, unit: number): void {
  const { redis } = state;
  const code = 1 << codeOf(unit);
  if (codeOf(unit) === 0) return;
  if (!config.deliver) redis.codes &= ~code;
  else if (!(redis.build!.dropped & code)) {
    redis.build = { ...redis.build!, dropped: redis.build!.dropped | code };
    withdrawUnit(state, unit);
  }
}

/** Somebody else has the unit that was promised: another one follows in the end. */
function lose(world: World, state: State, slot: number, row: Row | undefined): void {
  const loser = state.redis.grants[slot]!;
  if (row && codeOf(loser.unit) !== codeOf(row.unit)) drop(world, state, loser.unit);
  state.redis.grants[slot] = { ...loser, unit: 0, stamp: loser.stamp || 1 };
  promise(state.redis, slot, 0);
}

function free({ config }: World, redis: Redis, serials: readonly number[]): void {
  if (config.loads.length === 0) redis.free.push(...serials.map((serial) => unitOf(serial)));
  else redis.build = { ...redis.build!, vacant: [...redis.build!.vacant, ...serials] };
}

/** rebuild-codes.lua: one code of those that are given again. */
export function refill(world: World, state: State, message: Message): Reply {
  const { redis } = state;
  const { build } = redis;
  const refusal = overtaken(world, state, message);
  if (refusal || !build) return word(refusal ?? 'stale_epoch');
  const code = message.items[0]!.unit;
  if (redis.codes & (1 << code)) return { ...word('ok'), stamp: redis.stamp };
  redis.codes |= 1 << code;
  redis.total++;
  const [serial = ++redis.lastSerial, ...vacant] = build.vacant;
  redis.build = { ...build, vacant, phase: 'codes' };
  redis.free.push(unitOf(serial, code));
  return stamped(world, state, word('ok'));
}

/** finish-rebuild.lua */
export function finish(world: World, state: State, message: Message): Reply {
  const { redis } = state;
  const refusal = overtaken(world, state, message);
  if (refusal) return word(refusal);
  if (!redis.build) return word('done');
  const { kept, listed, losses } = redis.build;
  kept.forEach((serial, slot) => {
    if (serial !== 0) return;
    const unit = takeUnit(world, redis);
    redis.grants[slot] = unit ? { ...redis.grants[slot]!, unit } : null;
  });
  if (world.config.loads.length > 0) {
    const held = redis.grants.filter((grant) => grant !== null).length;
    redis.total = redis.free.length + held + redis.withdrawn;
  }
  redis.build = null;
  redis.verified = true;
  state.rebuilt = losses === state.lost;
  state.finished |= 1 << (redis.epoch % 16);
  // What landed after the rebuild had read past it.
  state.stray = false;
  const late = state.rows.some((row, serial) => row && !(listed & (1 << serial)) && !hasGrant(redis, row));
  if (late) goAstray(state);
  return word('done');
}

function hasGrant(redis: Redis, { slot, id, unit }: Row): boolean {
  const grant = redis.grants[slot];
  return grant?.id === id && grant.unit === unit;
}
