// cspell:ignore reqs
// The same load by autocannon, which is not ours. Its summary is in whole ms and its end cuts off what is under way: so the times are taken from its events,
// and every connection is let have its last answer, so that answers and rows can be compared one by one. It connects anew each round, within the time.
import autocannon from 'autocannon';
import { quantiles } from './support-rounds.js';

/** How long it may take to answer what is under way when the round is over. */
const PATIENCE_S = 10;

/** One round: every connection posts as soon as it was answered, for `ms`. `nextBody()` is what the next request says. */
export async function autocannonRound({ url, connections, ms, nextBody }) {
  const latencies = [];
  let sent = 0;
  let created = 0;
  const nodeBefore = process.cpuUsage();
  const startedAt = performance.now();
  const endsAt = startedAt + ms;
  let answeredAt = startedAt;
  const { errors } = await autocannon({
    url,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    connections,
    duration: ms / 1000 + PATIENCE_S,
    // How often, in ms, it looks whether it is done.
    sampleInt: 20,
    // A server that is gone would be connected to without end.
    bailout: 1,
    requests: [
      {
        setupRequest(request) {
          sent++;
          request.body = nextBody();
          return request;
        },
      },
    ],
    setupClient(client) {
      client.on('response', (status, _bytes, latencyMs) => {
        answeredAt = performance.now();
        latencies.push(latencyMs);
        if (status === 201) created++;
        // No further request on this connection. Without effect, what it cuts off at its end would be missed below.
        if (answeredAt >= endsAt) client.responseMax = client.reqsMade;
      });
    },
  });
  const node = process.cpuUsage(nodeBefore);
  const calls = latencies.length;
  let error = null;
  if (errors > 0) error = `${errors} connections were refused, cut, or not answered in time`;
  else if (calls !== sent) error = `${sent - calls} of ${sent} requests were never answered`;
  return {
    calls,
    good: created,
    error,
    perSecond: calls / ((answeredAt - startedAt) / 1000),
    ...quantiles(latencies),
    nodeMicros: (node.user + node.system) / calls,
  };
}
