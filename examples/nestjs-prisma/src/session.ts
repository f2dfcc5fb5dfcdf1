import { createParamDecorator, type ExecutionContext, UnauthorizedException } from '@nestjs/common';

/**
 * The user of the session. Every number is a login here, as `Authorization: Bearer 42`: put your own login in its place.
 * The id is a string, as the database prints it.
 */
export const UserId = createParamDecorator((_: unknown, context: ExecutionContext): string => {
  const { authorization = '' } = context.switchToHttp().getRequest<{ headers: { authorization?: string } }>().headers;
  const [, userId] = /^Bearer ([1-9]\d{0,17})$/.exec(authorization) ?? [];
  if (userId === undefined) throw new UnauthorizedException();
  return userId;
});
