import { save, show } from './database.js';
import { freshRedis } from './initial.js';
import { activate, load, noteServing, open } from './opening-scripts.js';
import { begin, finish, keepPromised, refill, writeRows } from './rebuild-scripts.js';
import { goAstray, rowsOf } from './soundness.js';
import type { Grant, Item, Message, Redis, Reply, State } from './state.js';
import { giveBack, nextStamp, takeUnit, takeUnitOf, useStamp, withdrawUnit } from './stock.js';
import { codeOf, serialOf } from './units.js';
import type { World } from './world.js';

type ItemReply = Reply['items'][number];

/** Runs one remote call to its end, in one step, as Redis and the database do. */
export function execute(world: World, state: State, message: Message): Reply {
  const item = message.items[0]!;
  switch (message.op) {
    case 'reserve':
      return reserve(world, state, message);
    case 'claim':
      return claim(world, state, message);
    case 'save':
      return { word: 'ok', items: message.items.map((one) => saved(world, state, one, message.epoch)) };
    case 'deliver':
      show(world, state, item.unit, item.slot);
      return { word: 'ok', items: [] };
    case 'open':
      return open(world, state, message);
    case 'activate':
      return activate(world, state, message);
    case 'load':
      return load(world, state, message);
    case 'begin':
      return begin(world, state, message);
    case 'keep':
      return keepPromised(world, state, message);
    case 'rows':
      return writeRows(world, state, message);
    case 'refill':
      return refill(world, state, message);
    case 'finish':
      return finish(world, state, message);
    default:
      return verb(world, state, message);
  }
}

function saved(world: World, state: State, item: Item, epoch: number): ItemReply {
  const { word, row } = save(world, state, item, epoch);
  return { word, slot: row?.slot ?? 0, grant: row && { state: 'i', stamp: 0, quarantined: false, ...row } };
}

/** include/ready.lua */
function unready(world: World, state: State, message: Message, fenced: boolean): string | null {
  const { rules } = world;
  const { redis } = state;
  if (!redis.present) return 'missing';
  if (!redis.verified && !(redis.build && !rules.rebuildHides)) return redis.build ? 'rebuilding' : 'missing';
  if (redis.epoch !== message.epoch && rules.epochOnReserve) return 'stale_epoch';
  if (fenced && redis.stamp < message.fence) return 'rolled_back';
  if (redis.incomplete && rules.siblingsAreCounted) return 'missing';
  noteServing(state);
  return null;
}

/** What would happen if missing state were full stock. */
function startAnew({ config }: World, state: State, epoch: number): State {
  state.redis = { ...freshRedis(config, epoch), overRows: rowsOf(state).length > 0 };
  noteServing(state);
  return state;
}

/** reserve.lua */
function reserve(world: World, state: State, message: Message): Reply {
  const { rules, config } = world;
  const { redis } = state;
  if (!rules.missingRefuses && !redis.present) return reserve(world, startAnew(world, state, message.epoch), message);
  const refusal = unready(world, state, message, rules.fenceOnReserve);
  if (refusal) return { word: refusal, items: refusal === 'rebuilding' ? heldBefore(world, redis, message) : [] };
  const sender = redis.senders[message.process]!;
  const seen = message.n <= sender.call;
  const context = {
    seen: seen && rules.callNumbers,
    mine: message.n === sender.call ? sender.stamp : -1,
    stamp: nextStamp(world, state),
    shut: redis.closed || redis.paused,
    behind: config.writeBehind,
    stamped: false,
  };
  const items = message.items.map((item) => serve(world, state, item, context));
  const counted = context.stamped || (!redis.closed && rules.refusalsAreNumbered);
  if (!seen && counted) {
    redis.senders[message.process] = { call: message.n, stamp: context.stamped ? context.stamp : 0 };
  }
  if (context.stamped) useStamp(state, context.stamp + 1);
  return { word: 'ok', items };
}

/** include/held-before.lua: what was issued keeps the stamp 0 when it is carried over. */
function heldBefore({ config, rules }: World, { grants, build }: Redis, { items }: Message): ItemReply[] {
  return items.flatMap(({ id, slot: first }) => {
    const from = first - (first % config.perUser);
    const slots = [...Array(config.perUser).keys()].map((nth) => from + nth);
    return slots.flatMap((slot) => {
      const grant = grants[slot] ?? build?.old?.[slot];
      if (grant?.id !== id) return [];
      const word = grant.stamp === 0 || !rules.rebuildTellsIssued ? 'issued' : 'accepted';
      return [{ word, slot, grant }];
    });
  });
}

interface Serving {
  readonly seen: boolean;
  readonly mine: number;
  readonly stamp: number;
  readonly shut: boolean;
  readonly behind: boolean;
  stamped: boolean;
}

function serve(world: World, state: State, item: Item, call: Serving): ItemReply {
  const { config, rules } = world;
  const { redis } = state;
  const first = item.slot - (item.slot % config.perUser);
  let vacant = -1;
  if (!rules.ownIdFirst && call.shut) return { word: 'shut', slot: first, grant: null };
  for (let slot = first; slot < first + config.perUser; slot++) {
    const grant = redis.grants[slot];
    if (grant?.id === item.id) return serveOwn(world, redis, slot, grant, call);
    if (!grant && vacant < 0) vacant = slot;
  }
  if (vacant < 0) return { word: 'already_issued', slot: first, grant: null };
  if (call.shut) return { word: 'shut', slot: first, grant: null };
  if (call.seen) return { word: 'lapsed', slot: first, grant: null };
  const unit = takeUnit(world, redis);
  if (!unit) return { word: 'sold_out', slot: first, grant: null };
  const grant: Grant = { state: call.behind ? 't' : 'r', id: item.id, unit, stamp: call.stamp, quarantined: false };
  redis.grants[vacant] = grant;
  call.stamped = true;
  return { word: 'new', slot: vacant, grant };
}

/** The id's own record comes before everything else. */
function serveOwn({ rules }: World, redis: Redis, slot: number, found: Grant, call: Serving): ItemReply {
  if (found.state === 'i') return { word: 'issued', slot, grant: found };
  const own = call.seen && found.stamp === call.mine;
  // In line or in quarantine it keeps its place and its stamp.
  if ((call.behind && !own) || found.quarantined) return { word: 'unattended', slot, grant: found };
  if (call.seen) {
    if (own) return { word: 'new', slot, grant: found };
    return rules.repeatsShareNothing ? { word: 'lapsed', slot, grant: null } : { word: 'existing', slot, grant: found };
  }
  const stamp = rules.repeatTakesOver ? call.stamp + (rules.takeoverStamp ? 1 : 0) : found.stamp;
  const grant: Grant = { ...found, state: 't', stamp };
  redis.grants[slot] = grant;
  call.stamped = true;
  return { word: 'existing', slot, grant };
}

/** claim-due.lua, for one reservation: leases run out at any time. */
function claim(world: World, state: State, message: Message): Reply {
  const { redis } = state;
  const refusal = unready(world, state, message, world.rules.fenceOnClaim);
  if (refusal) return { word: refusal, items: [] };
  const { slot } = message.items[0]!;
  const found = redis.grants[slot];
  if (!found || found.state === 'i' || found.quarantined) return { word: 'ok', items: [] };
  const stamp = world.rules.claimStamps ? nextStamp(world, state) : found.stamp;
  const grant: Grant = { ...found, state: 't', stamp };
  redis.grants[slot] = grant;
  useStamp(state, stamp);
  return { word: 'ok', items: [{ word: 'claimed', slot, grant }] };
}

/** include/held.lua */
function lookAt(found: Grant | null | undefined, item: Item, named: { id: boolean; stamp: boolean }): string {
  if (!found || (found.id !== item.id && named.id)) return 'gone';
  if (found.state === 'i') return 'issued';
  if (found.stamp !== item.stamp && named.stamp) return found.state === 't' ? 'taken_over' : 'retaken';
  return 'held';
}

/** The scripts that act on one reservation which somebody holds. */
function verb(world: World, state: State, { op, epoch, items }: Message): Reply {
  const { rules } = world;
  const { redis } = state;
  const item = items[0]!;
  if (!redis.present || (redis.epoch !== epoch && rules.epochOnVerbs)) return { word: 'stale', items: [] };
  const found = redis.grants[item.slot];
  const named = {
    id: op !== 'confirm' || rules.stampOnConfirm,
    stamp:
      (op !== 'confirm' || rules.stampOnConfirm) &&
      (op !== 'release' || rules.stampOnRelease) &&
      (op !== 'withdraw' || rules.stampOnWithdraw) &&
      (op !== 'reassign' || rules.reassignOnce) &&
      op !== 'retry',
  };
  let word = lookAt(found, item, named);
  if (word === 'held') word = act(world, state, op, item, found!);
  return { word: 'ok', items: [{ word, slot: item.slot, grant: redis.grants[item.slot] ?? null }] };
}

function act(world: World, state: State, op: Message['op'], item: Item, found: Grant): string {
  const { redis } = state;
  const { slot } = item;
  switch (op) {
    case 'confirm':
      redis.grants[slot] = { ...found, state: 'i', stamp: 0, quarantined: false };
      return 'confirmed';
    case 'release':
      redis.grants[slot] = null;
      giveBack(redis, found.unit);
      return 'released';
    case 'withdraw':
      redis.grants[slot] = null;
      withdrawUnit(state, found.unit);
      state.abandoned |= 1 << found.id;
      if (!world.config.certain && state.rows.some((row) => row?.id === found.id)) goAstray(state);
      return 'withdrawn';
    case 'quarantine':
      redis.grants[slot] = world.rules.quarantineKeepsUnit ? { ...found, quarantined: true } : null;
      if (!world.rules.quarantineKeepsUnit) giveBack(redis, found.unit);
      return 'quarantined';
    case 'retry':
      if (!found.quarantined) return 'not_quarantined';
      redis.grants[slot] = { ...found, quarantined: false, stamp: nextStamp(world, state) };
      useStamp(state, redis.grants[slot]!.stamp);
      return 'retried';
    case 'reassign':
      return reassign(world, state, item, found);
    default:
      return adopt(world, state, item, found);
  }
}

/** reassign.lua */
function reassign(world: World, state: State, item: Item, found: Grant): string {
  const { rules } = world;
  const { redis } = state;
  if (rules.reassignOnce && found.unit !== item.unit) return 'taken_over';
  redis.withdrawn++;
  if (!rules.skipOnlyTheRefused) {
    const highest = state.rows.reduce((last, row, serial) => (row ? serial : last), 0);
    redis.withdrawn += Math.max(0, highest - redis.lastSerial);
    redis.lastSerial = Math.max(highest, redis.lastSerial);
  }
  const unit = takeUnit(world, redis);
  if (!unit) {
    redis.grants[item.slot] = null;
    return 'sold_out';
  }
  const stamp = rules.reassignOnce ? nextStamp(world, state) : found.stamp;
  redis.grants[item.slot] = { ...found, state: 't', unit, stamp, quarantined: false };
  useStamp(state, stamp);
  return 'reassigned';
}

/** adopt-row.lua */
function adopt(world: World, state: State, item: Item, found: Grant): string {
  const { rules } = world;
  const { redis } = state;
  const row = item.row!;
  if (!rules.adoptRows) return 'adopted';
  redis.grants[item.slot] = null;
  const hasUnit = serialOf(found.unit) === serialOf(row.unit);
  const stands = redis.grants[row.slot];
  if (!hasUnit && !item.delivered) {
    if (rules.adoptGivesBack) giveBack(redis, found.unit);
  } else if (!hasUnit || stands) withdrawUnit(state, found.unit);
  if (stands) return 'adopted';
  if (!hasUnit && rules.adoptTakesUnit) takeUnitOf(world, redis, row.unit);
  if (world.config.loads.length > 0) redis.codes |= 1 << codeOf(row.unit);
  redis.grants[row.slot] = { state: 'i', id: row.id, unit: row.unit, stamp: 0, quarantined: false };
  return 'adopted';
}
