import { openShop } from './shop.js';

const shop = await openShop(process.env);
// A stream may be silent for longer than the 10 s of the default.
const server = Bun.serve({ port: Number(process.env.PORT ?? 3000), fetch: shop.coupons, idleTimeout: 0 });
console.log(`listening on port ${server.port}`);

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, async () => {
    console.log(`${signal}: finishing what is in flight`);
    const stopped = server.stop();
    await shop.close();
    await stopped;
  });
}
