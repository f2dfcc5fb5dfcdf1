import 'reflect-metadata';
import * as common from '@nestjs/common';
import * as core from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import Redis from 'ioredis-mock';
import { expect, test } from 'vitest';
import * as coupons from '../../src/index.js';
import * as nestjs from '../../src/nestjs/index.js';
import { nodeHandler } from '../../src/web/index.js';
import { nestSuite } from '../frameworks/nest-suite.js';

nestSuite(test, { common, core, adapter: () => new ExpressAdapter(), coupons, nestjs, Redis });

test('the routes of /web are mounted in an application of Nest on Express', async () => {
  const issuer = new coupons.CouponIssuer({ redis: new Redis({ host: 'routes' }), prefix: 'routes' });
  await issuer.campaign('launch').open({ stock: { kind: 'counted', total: 1 } });
  const app = await core.NestFactory.create(nestjs.CouponIssuerModule.forRoot({ issuer, worker: false }), {
    logger: false,
  });
  const handler = nodeHandler(app.get(coupons.CouponIssuer), { campaigns: ['launch'], user: () => 'kim' });
  app.use('/coupons', handler);
  await app.listen(0, '127.0.0.1');
  const json = { 'content-type': 'application/json' };
  const url = `${await app.getUrl()}/coupons/launch/issue`;
  const response = await fetch(url, { method: 'POST', headers: json, body: '{}' });
  expect([response.status, await response.json()]).toMatchObject([201, { status: 'issued', coupon: { serial: 1 } }]);
  await app.close();
});
