// A shop on the packed library, which runs on Node, Bun and Deno alike: forty users ask at once for twenty coupons, and a winner redeems. Prints what happened.
import { CouponIssuer } from 'coupon-issuer';
import { PostgresPersistence } from 'coupon-issuer/postgres';
import { Redis } from 'ioredis';
import pg from 'pg';

const { Bun, Deno } = globalThis;
const runtime = Bun ? `Bun ${Bun.version}` : Deno ? `Deno ${Deno.version.deno}` : `Node ${process.versions.node}`;
const redis = new Redis(process.env.REDIS_URL);
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
const persistence = new PostgresPersistence(pool);
await persistence.createTable();
const issuer = new CouponIssuer({ redis, persistence });
const launch = issuer.campaign('launch');
await launch.open({ stock: { kind: 'counted', total: 20, generateCodes: true } });
const worker = issuer.startWorker();
const results = await Promise.all(Array.from({ length: 40 }, (_, i) => launch.issue({ userId: `user-${i}` })));
const issued = results.filter(({ status }) => status === 'issued');
const { userId, code } = issued[0].issuance;
const redeem = (redemptionId) => launch.redeem({ userId, code, redemptionId });
const redeemed = [(await redeem('order-1')).status, (await redeem('order-2')).status];
const refused = results.filter(({ status }) => status === 'sold_out').length;
await worker.stop();
await issuer.close();
await pool.end();
redis.disconnect();
console.log(JSON.stringify({ runtime, issued: issued.length, refused, redeemed }));
