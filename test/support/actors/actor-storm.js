// The part of a process of the tests that asks for coupons as fast as it can, and says what each call was told.

/** `users` and the step between two of them share no divisor, so all of them come, in no order. */
const STEP = 7919;
/** How often in a row each of them asks, each time under another request id. */
const TIMES = 2;
/** Every so many calls that were told `issued` ask once more under the same request id. */
const REPEATS = 5;

export async function storm(issuer, { campaignId, name, requests, users, from, askers }, say, toldError) {
  let next = 0;
  let issued = 0;
  const call = async (ask) => {
    const { campaignId: id, ...request } = ask;
    const outcome = await issuer
      .campaign(id)
      .issue(request)
      .then((result) => ({ result }), toldError);
    say({ told: ask, ...outcome });
    return outcome.result?.status;
  };
  const keepAsking = async () => {
    while (next < requests) {
      const i = next++;
      const user = (from + Math.floor(i / TIMES) * STEP) % users;
      const ask = { campaignId, userId: `user-${user}`, requestId: `${name}-${i}` };
      if ((await call(ask)) === 'issued' && ++issued % REPEATS === 0) await call(ask);
    }
  };
  await Promise.all(Array.from({ length: askers }, keepAsking));
  await issuer.idle();
}
