import type { Redis } from 'ioredis';
import type { Pool } from 'pg';

interface Campaign {
  open(definition: object, options?: { skipRowCheck?: boolean }): Promise<unknown>;
  issue(request: { userId: string }): Promise<{ status: string; issuance?: { serial: number } }>;
  join(request: { userId: string }): Promise<{ status: string }>;
  admit(options: { count: number }): Promise<{ status: string; issued?: number }>;
  settle(): Promise<{ settled: number }>;
  inspect(): Promise<{ issued: number; reserved: number; available: number }>;
}
interface Release {
  readonly name: string;
  readonly missing?: undefined;
  readonly CouponIssuer: new (options: {
    redis: Redis;
    persistence: object;
  }) => { campaign(id: string): Campaign; idle(): Promise<void>; close(): Promise<void> };
  readonly PostgresPersistence: new (pool: Pool, options: { table: string }) => object;
  readonly createTableSql: (options: { table: string }) => string;
}
export function release01(): Promise<Release | { readonly missing: string }>;
