import { Controller, Get, ServiceUnavailableException } from '@nestjs/common';
import { CouponIssuerHealth } from 'coupon-issuer/nestjs';

/** For the readiness probe alone: a restart does not cure a Redis that is away. */
@Controller('ready')
export class ReadyController {
  constructor(private readonly health: CouponIssuerHealth) {}

  @Get()
  async ready(): Promise<object> {
    const { coupons } = await this.health.check('coupons');
    if (coupons.status === 'down') throw new ServiceUnavailableException(coupons);
    return coupons;
  }
}
