/**
 * The calls that end with a signal. A server may give one shutdown signal to all of its calls, and Node warns from the
 * eleventh listener on. So each signal has one listener for all calls.
 */
interface AbortGroup {
  readonly ends: Set<() => void>;
  readonly endAll: () => void;
}

const groups = new WeakMap<AbortSignal, AbortGroup>();

/** Calls `end` when the signal is aborted, or now if it is aborted already. Returns a function that forgets `end`. */
export function onAbort(signal: AbortSignal, end: () => void): () => void {
  if (signal.aborted) {
    end();
    return () => {};
  }
  const group = groups.get(signal) ?? listenTo(signal);
  group.ends.add(end);
  return () => {
    group.ends.delete(end);
    // Node keeps a signal of `AbortSignal.any()` alive for as long as it has a listener.
    if (group.ends.size === 0) forget(signal, group);
  };
}

function listenTo(signal: AbortSignal): AbortGroup {
  const ends = new Set<() => void>();
  const endAll = () => {
    for (const end of [...ends]) end();
  };
  const group = { ends, endAll };
  groups.set(signal, group);
  signal.addEventListener('abort', endAll, { once: true });
  return group;
}

/** A group that was forgotten already may have a successor, which stays. */
function forget(signal: AbortSignal, group: AbortGroup): void {
  if (groups.get(signal) !== group) return;
  groups.delete(signal);
  signal.removeEventListener('abort', group.endAll);
}
