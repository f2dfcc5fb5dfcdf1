import { randomUUID } from 'node:crypto';
import {
  BadRequestException,
  Body,
  Controller,
  HttpCode,
  NotFoundException,
  Param,
  ParseUUIDPipe,
  Post,
  UseInterceptors,
} from '@nestjs/common';
import { PrismaClient } from '@prisma/client';
import type { Campaign, RedeemResult } from 'coupon-issuer';
import { CouponIssuerInterceptor, InjectCampaign } from 'coupon-issuer/nestjs';
import { type PostgresTransaction, prismaTransaction } from 'coupon-issuer/postgres';
import { UserId } from './session.js';

/** Thrown inside the transaction, so that the order is rolled back. */
class Refused extends Error {
  constructor(readonly result: RedeemResult) {
    super(result.status);
  }
}

/** The id of a redemption is the id of an order, which the shop makes. No request names one. */
@Controller('orders')
export class OrdersController {
  constructor(
    private readonly prisma: PrismaClient,
    @InjectCampaign('launch') private readonly launch: Campaign<PostgresTransaction>,
  ) {}

  @Post()
  async create(@UserId() userId: string): Promise<{ id: string }> {
    const { id } = await this.prisma.order.create({ data: { id: randomUUID(), userId: BigInt(userId) } });
    return { id };
  }

  /** Order and coupon are committed together, or neither is. A repeat with the same code finds its own answer. */
  @Post(':id/checkout')
  @HttpCode(200)
  @UseInterceptors(CouponIssuerInterceptor)
  async checkout(
    @UserId() userId: string,
    @Param('id', ParseUUIDPipe) id: string,
    @Body() body?: { code?: unknown },
  ): Promise<RedeemResult> {
    const code = body?.code;
    if (typeof code !== 'string') throw new BadRequestException('code must be a string');
    const checkedOut = this.prisma.$transaction(async (tx) => {
      const own = { id, userId: BigInt(userId), OR: [{ couponCode: null }, { couponCode: code }] };
      const { count } = await tx.order.updateMany({ where: own, data: { couponCode: code } });
      if (count === 0) throw new NotFoundException('no such order is open');
      const within = prismaTransaction(tx);
      const result = await this.launch.redeem({ userId, code, redemptionId: id, within });
      if (result.status !== 'redeemed') throw new Refused(result);
      return result;
    });
    return checkedOut.catch((error: unknown) => {
      if (error instanceof Refused) return error.result;
      throw error;
    });
  }
}
