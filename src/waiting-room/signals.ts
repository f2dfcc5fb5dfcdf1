/** Ends many things with one signal, which has one listener: a server that shuts down ends all of its streams, however many there are. */
export class Signals {
  readonly #ends = new WeakMap<AbortSignal, Set<() => void>>();

  /** Calls `end` when the signal is aborted, at once if it is; answers what forgets it. */
  on(signal: AbortSignal, end: () => void): () => void {
    if (signal.aborted) {
      end();
      return () => {};
    }
    const ends = this.#ends.get(signal) ?? this.#listenTo(signal);
    ends.add(end);
    return () => void ends.delete(end);
  }

  #listenTo(signal: AbortSignal): Set<() => void> {
    const ends = new Set<() => void>();
    this.#ends.set(signal, ends);
    const endAll = () => {
      for (const end of [...ends]) end();
    };
    signal.addEventListener('abort', endAll, { once: true });
    return ends;
  }
}
