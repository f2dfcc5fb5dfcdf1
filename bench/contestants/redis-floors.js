import { hset, ping } from '../support-gates.js';

/** Floors: one command per request through the same client, nothing decided and no row written. */
export const barePing = floor('bare PING', ping);
export const bareHset = floor('bare HSET', hset);

function floor(name, openFloor) {
  return {
    name,
    floor: true,
    redis: true,
    async open({ redisPort }) {
      const { prepare, call, fault, close } = openFloor({ redisPort });
      let calls = 0;
      return {
        async prepare() {
          calls = 0;
          await prepare();
        },
        issue: () => call(++calls),
        fault,
        statements: () => 0,
        close,
      };
    },
  };
}
