// Ways to give out coupons first come, first served. Each answers `issue()` once the row is committed, and writes it to a table with the same
// columns. What a way looks like:
//
// name        as the tables call it
// database    true: it is run at its best pool size
// redis       true: it works in Redis as well
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
export { conditionalUpdate } from './conditional-update.js';
export { couponIssuer } from './coupon-issuer.js';
export { existsDecrementSet } from './exists-decrement-set.js';
export { groupCommit } from './group-commit.js';
export { incrementGate } from './increment-gate.js';
export { listPool } from './list-pool.js';
export { luaGate } from './lua-gate.js';
export { luaGateQueue } from './lua-gate-queue.js';
export { naive } from './naive.js';
export { optimistic } from './optimistic.js';
export { bareHset, barePing } from './redis-floors.js';
export { redisLock } from './redis-lock.js';
export { rowLock } from './row-lock.js';
export { skipLocked } from './skip-locked.js';
export { sortedSetQueue } from './sorted-set-queue.js';
