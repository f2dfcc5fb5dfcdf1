import { Body, Controller, Get, Header, Headers, Post, StreamableFile, UseInterceptors } from '@nestjs/common';
import {
  type Campaign,
  type IssueResult,
  type JoinResult,
  serverSentEvents,
  shownChange,
  type UserStatus,
} from 'coupon-issuer';
import { CouponIssuerInterceptor, InjectCampaign } from 'coupon-issuer/nestjs';
import { UserId } from './session.js';

const SOURCES = ['mail', 'banner'];

/** A sale that issues at once. */
@Controller('launch')
@UseInterceptors(CouponIssuerInterceptor)
export class LaunchController {
  constructor(@InjectCampaign('launch') private readonly launch: Campaign) {}

  /** A client without an answer asks again with the same `Idempotency-Key`, and finds its own coupon. */
  @Post('coupons')
  issue(
    @UserId() userId: string,
    @Headers('idempotency-key') requestId?: string,
    @Body() body?: { source?: unknown },
  ): Promise<IssueResult> {
    // The user wrote the body: only a word that the shop knows goes into the column.
    const source = SOURCES.find((one) => one === body?.source) ?? 'other';
    return this.launch.issue({ userId, requestId, data: { source } });
  }

  @Get('coupons')
  status(@UserId() userId: string): Promise<UserStatus> {
    return this.launch.userStatus({ userId });
  }
}

/** A sale with a waiting room. */
@Controller('line')
export class LineController {
  constructor(@InjectCampaign('line') private readonly line: Campaign) {}

  @Post('places')
  @UseInterceptors(CouponIssuerInterceptor)
  join(@UserId() userId: string, @Headers('idempotency-key') requestId?: string): Promise<JoinResult> {
    return this.line.join({ userId, requestId });
  }

  @Get('events')
  @Header('Cache-Control', 'no-store, no-transform')
  @Header('X-Accel-Buffering', 'no')
  events(@UserId() userId: string): StreamableFile {
    const events = serverSentEvents(this.line.watch({ userId }), { data: shownChange });
    return new StreamableFile(events, { type: 'text/event-stream; charset=utf-8' });
  }
}
