import { Inject } from '@nestjs/common';
import { CouponIssuer } from '../issuer.js';
import { assertName } from '../model/check.js';

/** A parameter or a property that Nest fills. */
export type InjectDecorator = PropertyDecorator & ParameterDecorator;

/** `name` matches `[A-Za-z0-9._-]{1,64}`. Without it, the one issuer that has no name. Throws `InvalidArgumentError`. */
export function getIssuerToken(name?: string): string | typeof CouponIssuer {
  return name === undefined ? CouponIssuer : `CouponIssuer:${checkedName(name)}`;
}

/**
 * The token of a campaign that `campaigns` of the module names. For `overrideProvider` and `app.get`. Throws
 * `InvalidArgumentError`.
 */
export function getCampaignToken(campaignId: string, name?: string): string {
  assertName('campaignId', campaignId);
  return `Campaign:${campaignId}${name === undefined ? '' : `:${checkedName(name)}`} (is it in "campaigns" of CouponIssuerModule?)`;
}

/**
 * Injects the issuer of `CouponIssuerModule`: the one without a name, or the one of this `name`.
 *
 * @example
 * ```ts
 * import type { CouponIssuer } from 'coupon-issuer';
 * import { InjectIssuer } from 'coupon-issuer/nestjs';
 *
 * class Coupons {
 *   constructor(@InjectIssuer() readonly issuer: CouponIssuer) {}
 * }
 * ```
 */
export function InjectIssuer(name?: string): InjectDecorator {
  return Inject(getIssuerToken(name));
}

/**
 * Injects the handle of a campaign that `campaigns` of the module names.
 *
 * @example
 * ```ts
 * import type { Campaign } from 'coupon-issuer';
 * import { InjectCampaign } from 'coupon-issuer/nestjs';
 *
 * class Coupons {
 *   constructor(@InjectCampaign('launch') readonly launch: Campaign) {}
 * }
 * ```
 */
export function InjectCampaign(campaignId: string, name?: string): InjectDecorator {
  return Inject(getCampaignToken(campaignId, name));
}

function checkedName(name: string): string {
  assertName('name', name);
  return name;
}
