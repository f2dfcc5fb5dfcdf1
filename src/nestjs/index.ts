export type { HostedIssuerOptions } from '../hosted-issuer.js';
export { CouponIssuerFilter, CouponIssuerInterceptor } from './answers.js';
export { CouponIssuerHealth, type CouponIssuerStatus } from './health.js';
export {
  CouponIssuerModule,
  type CouponIssuerModuleAsyncOptions,
  type CouponIssuerModuleNames,
  type CouponIssuerModuleOptions,
} from './module.js';
export { getCampaignToken, getIssuerToken, InjectCampaign, type InjectDecorator, InjectIssuer } from './tokens.js';
