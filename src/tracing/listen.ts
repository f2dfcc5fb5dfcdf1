import { subscribe, unsubscribe } from 'node:diagnostics_channel';

/** A fault of a meter must not end the process, as one of a subscriber does. Returns a function that ends it. */
export function listenTo<M>(channel: string, hear: (message: M) => void): () => void {
  const safely = (message: unknown) => {
    try {
      hear(message as M);
    } catch {
      // The numbers of this message are lost.
    }
  };
  subscribe(channel, safely);
  return () => void unsubscribe(channel, safely);
}
