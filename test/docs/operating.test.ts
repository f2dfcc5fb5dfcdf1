import { describe, expect, test } from 'vitest';
import { type CouponEvent, type CouponIssuerOptions, InvalidArgumentError } from '../../src/index.js';
import { checkedOptions } from '../../src/options.js';
import { tableOf, ticked } from './markdown.js';

const PAGE = 'docs/operating.md';

/** Every event, checked by the compiler. */
const EVENTS: Record<CouponEvent['type'], true> = {
  issued: true,
  accepted: true,
  settled: true,
  refused: true,
  released: true,
  withdrawn: true,
  quarantined: true,
  lost: true,
  exhausted: true,
  places_ended: true,
  drawn: true,
  redeemed: true,
  unredeemed: true,
  extended: true,
  revoked: true,
  taken_back: true,
  audit: true,
  fault: true,
};

/** Every option, checked by the compiler: whether it is a setting, and no client or hook. */
const OPTIONS: Record<keyof CouponIssuerOptions, boolean> = {
  redis: false,
  persistence: false,
  deliver: false,
  recall: false,
  eligible: false,
  onEvent: false,
  replicas: true,
  unsafeRedis: true,
  prefix: true,
  leaseMs: true,
  timeoutMs: true,
  maxBatch: true,
  maxInFlight: true,
  maxQueued: true,
  refusalCacheMs: true,
  maxDeliveries: true,
  maxTries: true,
};

test('the guide to operating tells of each event once', () => {
  const told = tableOf(PAGE, 'event').flatMap(([events]) => ticked(events!));
  expect(told.sort()).toEqual(Object.keys(EVENTS).sort());
});

describe('the options of an issuer', () => {
  const redis = { evalsha: async () => [], eval: async () => [] };
  const defaults: Readonly<Record<string, unknown>> = { ...checkedOptions({ redis }) };
  const rows = tableOf(PAGE, 'option').map(([name, value, range]) => ({
    name: ticked(name!)[0]!,
    value: value!,
    range: range!,
  }));
  const numberOf = (text: string) => Number(text.replaceAll(',', ''));
  const numbers = rows.filter(({ value }) => /^\d/.test(value));

  test('are all in the guide', () => {
    const settings = Object.entries(OPTIONS).flatMap(([name, isSetting]) => (isSetting ? [name] : []));
    expect(rows.map(({ name }) => name).sort()).toEqual(settings.sort());
    expect(numbers).toHaveLength(8);
    expect(rows.find(({ name }) => name === 'prefix')!.value).toBe(`\`${defaults.prefix}\``);
  });

  test.each(numbers)('$name has the default and the range that the guide tells', ({ name, value, range }) => {
    const [least, most] = range.split('–').map(numberOf) as [number, number];
    const given = (number: number) => () =>
      checkedOptions({ redis, timeoutMs: 1, leaseMs: 3_600_000, [name]: number } as CouponIssuerOptions);
    expect(defaults[name]).toBe(numberOf(value));
    for (const end of [least, most]) expect(given(end)).not.toThrow();
    for (const beyond of [least - 1, most + 1]) expect(given(beyond)).toThrow(InvalidArgumentError);
  });
});
