import 'reflect-metadata';
import * as common from '@nestjs/common';
import * as core from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import Redis from 'ioredis-mock';
import { test } from 'vitest';
import * as coupons from '../../src/index.js';
import * as nestjs from '../../src/nestjs/index.js';
import { nestSuite } from '../frameworks/nest-suite.js';

nestSuite(test, { common, core, adapter: () => new ExpressAdapter(), coupons, nestjs, Redis });
