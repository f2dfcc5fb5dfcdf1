import {
  type BeforeApplicationShutdown,
  type DynamicModule,
  Module,
  type ModuleMetadata,
  type OnApplicationBootstrap,
  type Provider,
} from '@nestjs/common';
import { type HostedIssuer, type HostedIssuerOptions, hostedIssuer } from '../hosted-issuer.js';
import type { CouponIssuer } from '../issuer.js';
import { CouponIssuerHealth } from './health.js';
import { getCampaignToken, getIssuerToken } from './tokens.js';

/** Known before the issuer is made. */
export interface CouponIssuerModuleNames {
  /** Only for a second issuer: `[A-Za-z0-9._-]{1,64}`. Inject it with `@InjectIssuer(name)`. */
  readonly name?: string | undefined;
  /** The ids of the campaigns that `@InjectCampaign(id)` may ask for. */
  readonly campaigns?: readonly string[] | undefined;
}

export interface CouponIssuerModuleOptions<Client = never>
  extends CouponIssuerModuleNames,
    HostedIssuerOptions<Client> {}

export interface CouponIssuerModuleAsyncOptions<Client = never> extends CouponIssuerModuleNames {
  readonly imports?: ModuleMetadata['imports'] | undefined;
  /** The tokens whose values are the arguments of `useFactory`. */
  readonly inject?: readonly NonNullable<DynamicModule['exports']>[number][] | undefined;
  readonly useFactory: (...args: never[]) => HostedIssuerOptions<Client> | Promise<HostedIssuerOptions<Client>>;
}

/**
 * Gives an issuer to the whole application: `@InjectIssuer()`, `@InjectCampaign(id)` and `CouponIssuerHealth`. It has no
 * routes. Import it once per issuer.
 *
 * It starts the worker in `onApplicationBootstrap`, and closes the issuer in `beforeApplicationShutdown`. Calls in flight
 * are finished, and open event streams end, so that the HTTP server can close. Close your own clients later, in
 * `onApplicationShutdown`: Nest runs `onModuleDestroy` first, and a client that is closed there fails the calls in flight.
 *
 * @example
 * ```ts
 * import { CouponIssuerModule } from 'coupon-issuer/nestjs';
 *
 * const imports = [CouponIssuerModule.forRoot({ issuer: { redis, persistence }, worker: true, campaigns: ['launch'] })];
 * ```
 */
// biome-ignore lint/complexity/noStaticOnlyClass: a module of Nest is a class
export class CouponIssuerModule {
  /**
   * Each application that is created makes its own issuer of `options`, so a test may create many. For an option outside
   * its range, Nest rejects `create()` with `InvalidArgumentError`.
   */
  static forRoot<Client = never>(options: CouponIssuerModuleOptions<Client>): DynamicModule {
    const { name, campaigns, ...hosted } = options;
    return moduleOf({ name, campaigns }, { useFactory: () => hostedIssuer(hosted) });
  }

  /**
   * The same, with the options from a factory. Nest rejects `create()` with the error of the factory, or with
   * `InvalidArgumentError`.
   *
   * @example
   * ```ts
   * import { CouponIssuerModule } from 'coupon-issuer/nestjs';
   *
   * const shop = CouponIssuerModule.forRootAsync({
   *   campaigns: ['launch'],
   *   inject: ['REDIS'],
   *   useFactory: (client: typeof redis) => ({ issuer: { redis: client, persistence }, worker: false }),
   * });
   * ```
   */
  static forRootAsync<Client = never>(options: CouponIssuerModuleAsyncOptions<Client>): DynamicModule {
    const { imports = [], inject = [], useFactory, ...names } = options;
    const make = async (...args: never[]) => hostedIssuer(await useFactory(...args));
    return { ...moduleOf(names, { inject: [...inject] as never[], useFactory: make }), imports };
  }
}

Module({})(CouponIssuerModule);

/** Its hooks are called by Nest. */
class IssuerHooks implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #hosted: HostedIssuer;

  constructor(hosted: HostedIssuer) {
    this.#hosted = hosted;
  }

  onApplicationBootstrap(): void {
    this.#hosted.start();
  }

  /** A later hook is too late: Nest waits for the HTTP server before it, and an open stream keeps that from closing. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.#hosted.issuer.close();
  }
}

interface Making {
  readonly inject?: never[];
  readonly useFactory: (...args: never[]) => unknown;
}

function moduleOf({ name, campaigns = [] }: CouponIssuerModuleNames, making: Making): DynamicModule {
  const token = getIssuerToken(name);
  const hosted = Symbol('coupon-issuer');
  const exported: Provider[] = [
    { provide: token, inject: [hosted], useFactory: ({ issuer }: HostedIssuer) => issuer },
    ...campaigns.map((id) => ({
      provide: getCampaignToken(id, name),
      inject: [token],
      useFactory: (issuer: CouponIssuer) => issuer.campaign(id),
    })),
  ];
  if (name === undefined) {
    const useFactory = ({ issuer, worker }: HostedIssuer) => new CouponIssuerHealth(issuer, worker);
    exported.push({ provide: CouponIssuerHealth, inject: [hosted], useFactory });
  }
  const hooks: Provider = {
    provide: IssuerHooks,
    inject: [hosted],
    useFactory: (value: HostedIssuer) => new IssuerHooks(value),
  };
  return {
    module: CouponIssuerModule,
    global: true,
    providers: [{ provide: hosted, ...making }, ...exported, hooks],
    exports: exported,
  };
}
