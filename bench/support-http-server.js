// One HTTP server in a process of its own, so that its CPU can be told from that of the load. Started by sections/http.js, which speaks to it over IPC.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { CouponIssuer, httpAnswer, httpStatus } from 'coupon-issuer';
import { PostgresPersistence } from 'coupon-issuer/postgres';
import express from 'express';
import { Redis } from 'ioredis';
import pg from 'pg';

const { kind, redisPort, postgresUrl, table, campaignId } = JSON.parse(process.argv[2]);
/** As long as what the library's servers answer. */
const CONSTANT = {
  status: 'issued',
  coupon: { serial: 1234567, grant: 1, code: null, issuedAt: new Date(0), state: 'issued' },
};

const servers = {
  async 'node, a constant'() {
    return createServer(async (req, res) => {
      await bodyOf(req);
      answer(res, 201, CONSTANT);
    });
  },
  async 'node, issue()'() {
    const issuer = connectedIssuer();
    return createServer(async (req, res) => {
      try {
        const { userId } = await bodyOf(req);
        const result = await issuer.campaign(campaignId).issue({ userId });
        const { serial, grant, code, issuedAt, state } = result.issuance ?? {};
        answer(res, httpStatus(result), { status: result.status, coupon: { serial, grant, code, issuedAt, state } });
      } catch (error) {
        answer(res, httpStatus(error), { error: error.code });
      }
    });
  },
  async 'express, a constant'() {
    const app = express();
    app.disable('x-powered-by');
    app.use(express.json());
    app.post('/campaigns/:id/coupons', (req, res) => {
      res.location(`/campaigns/${req.params.id}/users/${encodeURIComponent(req.body.userId)}`);
      res.status(201).json(CONSTANT);
    });
    return createServer(app);
  },
  async 'express, issue()'() {
    const issuer = connectedIssuer();
    const app = express();
    app.disable('x-powered-by');
    app.use(express.json());
    app.post('/campaigns/:id/coupons', async (req, res) => {
      const { userId } = req.body;
      const { status, headers, body } = httpAnswer(await issuer.campaign(req.params.id).issue({ userId }));
      const { serial, grant, code, issuedAt, state } = body.issuance ?? {};
      res.location(`/campaigns/${req.params.id}/users/${encodeURIComponent(userId)}`);
      const coupon = { serial, grant, code, issuedAt, state };
      res
        .status(status)
        .set(headers)
        .send(JSON.stringify({ status: body.status, coupon }));
    });
    return createServer(app);
  },
};

function connectedIssuer() {
  const pool = new pg.Pool({ connectionString: postgresUrl, max: 10, idleTimeoutMillis: 0 });
  return new CouponIssuer({
    redis: new Redis(redisPort, '127.0.0.1'),
    persistence: new PostgresPersistence(pool, { table }),
  });
}

async function bodyOf(req) {
  let text = '';
  req.setEncoding('utf8');
  for await (const chunk of req) text += chunk;
  return JSON.parse(text);
}

function answer(res, status, body) {
  const text = JSON.stringify(body);
  res.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  res.end(text);
}

const server = await servers[kind]();
// Its connections are idle while it is the others' turn, for longer than the 5 s after which Node would close them.
server.keepAliveTimeout = 0;
server.listen(0, '127.0.0.1');
await once(server, 'listening');
process.on('message', (what) => {
  if (what === 'cpu') {
    const { user, system } = process.cpuUsage();
    process.send({ cpu: user + system });
  }
});
process.once('disconnect', () => process.exit());
process.send({ port: server.address().port });
