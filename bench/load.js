// The load and what is read off it.

/**
 * One round: `inFlight` callers, each asking again as soon as it was answered, for `ms`; then until the last one is answered. Every request is a
 * new user. The round is right if each was given a coupon and the database holds exactly that many rows, serials and users.
 */
export async function runRound(contestant, { inFlight, ms, cpuOfRedis }) {
  await contestant.prepare();
  const { perCall = 1 } = contestant;
  const latencies = [];
  let calls = 0;
  let given = 0;
  let error = null;
  const cpuBefore = await cpuOfRedis?.();
  const startedAt = performance.now();
  const endsAt = startedAt + ms;
  const caller = async () => {
    for (let now = performance.now(); now < endsAt && !error; ) {
      const gave = await contestant.issue(`user-${++calls}`);
      const answeredAt = performance.now();
      latencies.push(answeredAt - now);
      if (gave) given++;
      now = answeredAt;
    }
  };
  try {
    await Promise.all(Array.from({ length: contestant.inFlight ?? inFlight }, caller));
  } catch (thrown) {
    error = thrown;
  }
  await contestant.finish?.();
  const seconds = (performance.now() - startedAt) / 1000;
  const cpuAfter = await cpuOfRedis?.();
  const issued = given * perCall;
  const found = await contestant.check(issued);
  const right =
    !error &&
    given === calls &&
    found.rows === issued &&
    found.serials === issued &&
    found.users === issued &&
    found.redis !== 'wrong';
  return {
    perSecond: issued / seconds,
    p50: percentile(latencies, 0.5),
    p95: percentile(latencies, 0.95),
    requests: calls * perCall,
    right,
    ...(right ? {} : { given: issued, found, error: error && String(error) }),
    ...(cpuOfRedis ? { redisMicros: ((cpuAfter - cpuBefore) * 1e6) / issued } : {}),
  };
}

/** The median of each figure over rounds; right only if every round was. */
export function medians(rounds) {
  const of = (name) => median(rounds.map((round) => round[name]));
  return {
    perSecond: of('perSecond'),
    p50: of('p50'),
    p95: of('p95'),
    ...('redisMicros' in rounds[0] ? { redisMicros: of('redisMicros') } : {}),
    right: rounds.every((round) => round.right),
    rounds,
  };
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function percentile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}
