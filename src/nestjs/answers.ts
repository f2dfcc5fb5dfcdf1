import {
  type ArgumentsHost,
  type CallHandler,
  Catch,
  type ExceptionFilter,
  type ExecutionContext,
  Logger,
  type NestInterceptor,
} from '@nestjs/common';
import { map, type Observable } from 'rxjs';
import { CouponIssuerError } from '../model/errors.js';
import { httpWordOf } from '../model/http-status.js';
import { type UserAnswer, userAnswer } from '../model/user-answer.js';

/** The used part of a response of Express, and of a reply of Fastify. */
interface HttpReply {
  status(code: number): unknown;
  header(name: string, value: string): unknown;
  send(body: string): unknown;
  readonly raw?: NodeResponse;
}

interface NodeResponse {
  readonly headersSent: boolean;
  destroy(): unknown;
}

/**
 * Answers each `CouponIssuerError` as `httpAnswer` does: with problem details, `Retry-After`, and nothing secret. A fault
 * of your set-up (500) is logged; the other ones are ordinary in a rush. An error of another library is not caught.
 * Outside HTTP, the error is thrown on.
 *
 * @example
 * ```ts
 * import { APP_FILTER } from '@nestjs/core';
 * import { CouponIssuerFilter } from 'coupon-issuer/nestjs';
 *
 * const providers = [{ provide: APP_FILTER, useClass: CouponIssuerFilter }];
 * ```
 */
export class CouponIssuerFilter implements ExceptionFilter<CouponIssuerError> {
  readonly #log = new Logger(CouponIssuerFilter.name);

  catch(error: CouponIssuerError, host: ArgumentsHost): void {
    if (host.getType() !== 'http') throw error;
    const answer = userAnswer(error);
    if (answer.status === 500) this.#log.error(error.message, error.stack);
    const reply = host.switchToHttp().getResponse<HttpReply>();
    const response = reply.raw ?? (reply as unknown as NodeResponse);
    // Half of an answer must not look like a whole one.
    if (response.headersSent) {
      response.destroy();
      return;
    }
    begin(reply, answer);
    reply.send(JSON.stringify(answer.body));
  }
}

Catch(CouponIssuerError)(CouponIssuerFilter);

/**
 * Answers a result that a handler returns, such as the one of `issue()`, as `httpAnswer` does: `sold_out` is a 409 with
 * problem details. A coupon is shown as its user sees it, a `UserCoupon` in `coupon` or `coupons`: its id, its epoch and
 * its user id stay on the server. Any other value is left as it is.
 *
 * Put it on the handlers that return a result: an object of your own whose `status` is a word of this library, such as
 * `expired`, would be taken for one.
 *
 * @example
 * ```ts
 * import { Controller, Post, UseInterceptors } from '@nestjs/common';
 * import type { Campaign, IssueResult } from 'coupon-issuer';
 * import { CouponIssuerInterceptor, InjectCampaign } from 'coupon-issuer/nestjs';
 *
 * @Controller('coupons')
 * class Coupons {
 *   constructor(@InjectCampaign('launch') readonly launch: Campaign) {}
 *
 *   @Post()
 *   @UseInterceptors(CouponIssuerInterceptor)
 *   issue(): Promise<IssueResult> {
 *     return this.launch.issue({ userId });
 *   }
 * }
 * ```
 */
export class CouponIssuerInterceptor implements NestInterceptor<unknown, unknown> {
  intercept(context: ExecutionContext, next: CallHandler<unknown>): Observable<unknown> {
    if (context.getType() !== 'http') return next.handle();
    return next.handle().pipe(
      map((value) => {
        if (httpWordOf(value) === null) return value;
        const answer = userAnswer(value);
        begin(context.switchToHttp().getResponse<HttpReply>(), answer);
        return answer.body;
      }),
    );
  }
}

function begin(reply: HttpReply, { status, headers }: UserAnswer): void {
  reply.status(status);
  for (const [name, value] of Object.entries(headers)) reply.header(name, value);
}
