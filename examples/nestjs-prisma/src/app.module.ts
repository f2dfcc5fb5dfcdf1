import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { CouponIssuerFilter, CouponIssuerModule } from 'coupon-issuer/nestjs';
import type { PostgresPersistence } from 'coupon-issuer/postgres';
import type { Redis } from 'ioredis';
import { ClientsModule, PERSISTENCE, REDIS } from './clients.js';
import { LaunchController, LineController } from './coupons.js';
import { IdleConnections } from './idle-connections.js';
import { OrdersController } from './orders.js';
import { ReadyController } from './ready.js';

@Module({
  imports: [
    ClientsModule,
    CouponIssuerModule.forRootAsync({
      campaigns: ['launch', 'line'],
      inject: [REDIS, PERSISTENCE],
      useFactory: (redis: Redis, persistence: PostgresPersistence) => ({
        issuer: { redis, persistence },
        worker: process.env.WORKER !== 'off',
      }),
    }),
  ],
  controllers: [LaunchController, LineController, OrdersController, ReadyController],
  providers: [{ provide: APP_FILTER, useClass: CouponIssuerFilter }, IdleConnections],
})
export class AppModule {}
