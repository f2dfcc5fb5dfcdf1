// One of the processes that share a load: connects, waits for the word, runs, and says what it measured.
import { once } from 'node:events';
import { couponIssuer, luaGate } from './contestants/index.js';
import { closedLoop } from './support-rounds.js';

const [{ key, n, campaignId, ms, ground }] = await once(process, 'message');
const contestant = await { couponIssuer, luaGate }[key].open(ground);
process.send('ready');
await once(process, 'message');
const figures = await closedLoop({
  call: (call) => contestant.issue({ campaignId, userId: `user-${n}-${call}` }),
  finish: contestant.finish,
  inFlight: ground.inFlight,
  ms,
});
await contestant.close();
process.send(figures, () => process.disconnect());
