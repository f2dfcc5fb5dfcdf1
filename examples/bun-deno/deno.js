import { openShop } from './shop.js';

const shop = await openShop(Deno.env.toObject());
const server = Deno.serve(
  {
    port: Number(Deno.env.get('PORT') ?? 3000),
    onListen: ({ port }) => console.log(`listening on port ${port}`),
  },
  shop.coupons,
);

for (const signal of ['SIGTERM', 'SIGINT']) {
  Deno.addSignalListener(signal, async () => {
    console.log(`${signal}: finishing what is in flight`);
    const stopped = server.shutdown();
    await shop.close();
    await stopped;
    Deno.exit();
  });
}
