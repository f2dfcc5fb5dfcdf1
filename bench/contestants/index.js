// Ways to give out coupons first come, first served. Each answers `issue()` once the row is committed, and writes it to a table with the same
// columns. What a way looks like:
//
// name        as the tables call it
// database    true: it is run at its best pool size
// redis       true: it works in Redis as well
// needs       the package that it runs on, and nothing else does: without it, this way is left out
// slow        true: it is measured at fewer loads, because a fast one has said all there is to say there
// floor       true: not a way, but what one cannot be faster than
// givesUp     true: who waits too long is told an error, which is no wrong answer
// maxInFlight with more callers it answers none of them for seconds
// poolSizes, sweepMs   what is tried for its pool, and how long each, where the common values say nothing
// flaw        what it does wrong by its nature; every other way has to be right
// open(ground) → prepare(campaignIds)   empties what an earlier round left behind and opens campaigns of `ground.total` units
//                issue({ campaignId, userId }) → whether this request got a coupon
//                finish()               what is still on its way when everyone is answered
//                count() → rows, distinct serials and distinct users in the database
//                fault(given)           what is wrong elsewhere, or null
//                statements()           sent to the database so far
import { missing } from '../support-packages.js';
import { conditionalUpdate } from './conditional-update.js';
import { couponIssuer } from './coupon-issuer.js';
import { existsDecrementSet } from './exists-decrement-set.js';
import { groupCommit } from './group-commit.js';
import { incrementGate } from './increment-gate.js';
import { listPool } from './list-pool.js';
import { luaGate } from './lua-gate.js';
import { luaGateQueue } from './lua-gate-queue.js';
import { naive } from './naive.js';
import { optimistic } from './optimistic.js';
import { bareHset, barePing } from './redis-floors.js';
import { redisLock } from './redis-lock.js';
import { rowLock } from './row-lock.js';
import { skipLocked } from './skip-locked.js';
import { sortedSetQueue } from './sorted-set-queue.js';

export { couponIssuer, luaGate, naive, rowLock };

/** All ways on PostgreSQL whose packages are there, ours first. */
export const WAYS = [
  couponIssuer,
  luaGate,
  incrementGate,
  existsDecrementSet,
  listPool,
  luaGateQueue,
  rowLock,
  conditionalUpdate,
  skipLocked,
  optimistic,
  redisLock,
  sortedSetQueue,
  naive,
].filter(({ needs }) => !missing.includes(needs));

/** What no way can be faster than. */
export const FLOORS = [groupCommit, barePing, bareHset];
