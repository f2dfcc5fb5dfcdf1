import 'reflect-metadata';
import { describe, test } from 'node:test';
import * as common from '@nestjs/common';
import * as core from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import * as coupons from 'coupon-issuer';
import * as nestjs from 'coupon-issuer/nestjs';
import Redis from 'ioredis-mock';
import { nestSuite } from '../nest-suite.js';

for (const Adapter of [ExpressAdapter, FastifyAdapter]) {
  describe(Adapter.name, () => nestSuite(test, { common, core, adapter: () => new Adapter(), coupons, nestjs, Redis }));
}
