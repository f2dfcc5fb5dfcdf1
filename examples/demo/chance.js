import { setTimeout as delay } from 'node:timers/promises';

/** A number in [0, 1) that depends on nothing but these words, so that one seed always fails the same calls, whatever the timing. */
export function chance(...words) {
  let hash = 0x811c9dc5;
  for (const char of words.join('|')) hash = Math.imul(hash ^ char.codePointAt(0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

/** A wait with one end for all: they go on together, as answers on one connection arrive together. */
export function jointWait(ms) {
  let running = null;
  return () => {
    running ??= delay(ms).then(() => {
      running = null;
    });
    return running;
  };
}
