import { freshRedis } from './initial.js';
import { rowsOf } from './soundness.js';
import type { Message, Reply, State } from './state.js';
import { epochOf, unitOf } from './units.js';
import type { World } from './world.js';

const word = (text: string): Reply => ({ word: text, items: [] });

/** open-campaign.lua. `n` is the random part that its sender gives; the generation is the time. */
export function open({ config, rules }: World, state: State, { n }: Message): Reply {
  if (state.redis.present && rules.openTouchesNothing) return word('exists');
  const making = rules.openingsDiffer ? ++state.makings : n;
  const overRows = rowsOf(state).length > 0;
  state.redis = { ...freshRedis(config, epochOf(making, making)), verified: !rules.openVerifies, overRows };
  if (state.redis.verified) noteServing(state);
  return word('opened');
}

/** activate-campaign.lua */
export function activate({ rules }: World, state: State, { epoch }: Message): Reply {
  const { redis } = state;
  if (!redis.present) return word('missing');
  if (redis.epoch !== epoch && rules.activateNamesEpoch) return word('stale_epoch');
  if (redis.build && rules.openLeavesRebuilds) return word('rebuilding');
  redis.verified = true;
  noteServing(state);
  return word('active');
}

/** I9, at the moment when a state begins to serve or serves somebody. */
export function noteServing(state: State): void {
  const { verified, overRows, incomplete, build } = state.redis;
  if (verified && overRows) state.broken = 'I9: missing state became full stock';
  if (build) state.broken = 'I9: a half-built state serves';
  if (incomplete) state.broken = 'I9: a state serves of which a part is missing';
}

/** load-codes.lua, one code per chunk. `n` is the offset, the item's slot the load, its unit the code. */
export function load({ rules }: World, state: State, { epoch, n, items }: Message): Reply {
  const { redis } = state;
  const { slot, unit: code } = items[0]!;
  if (!redis.present) return word('missing');
  if (!redis.verified) return word(redis.build ? 'rebuilding' : 'missing');
  if (redis.epoch !== epoch) return word('stale_epoch');
  if (redis.incomplete) return word('missing');
  if (redis.closed) return word('closed');
  const done = redis.loads[slot]!;
  if (n > done) return word('gap');
  if (n < done) return word('ok');
  redis.loads[slot] = n + 1;
  const known = (redis.codes & (1 << code)) !== 0;
  if (known && rules.codesLoadOnce) return word('ok');
  redis.lastSerial++;
  redis.total++;
  redis.codes |= 1 << code;
  redis.free.push(unitOf(redis.lastSerial, code));
  return word('ok');
}
