import { Counter, Gauge, register as globalRegister, Histogram, type Registry } from 'prom-client';
import type { CouponIssuer } from '../issuer.js';
import { type Instrument, instrumentsOf, type Labels } from '../telemetry/instruments.js';
import { checkedTelemetry, observe, type TelemetryOptions } from '../telemetry/observe.js';
import { type Recorder, recordSteps } from '../telemetry/record.js';

export type { TelemetryOptions } from '../telemetry/observe.js';

export interface PrometheusOptions extends TelemetryOptions {
  /** Default: the global registry of prom-client. */
  readonly register?: Registry | undefined;
}

/** The metrics of `observeIssuer`. */
export interface PrometheusTelemetry extends Disposable {
  /** Takes the metrics out of the registry. */
  stop(): void;
}

/**
 * Measures the issuers of this process with `prom-client` 15. Counters and histograms are of all issuers, gauges of the
 * campaigns of this one. Names, labels and units: docs/telemetry.md. Call it once per registry.
 *
 * Each scrape reads the campaigns: one round trip per campaign. While Redis is away, a scrape has no gauges and does
 * not fail. Throws `InvalidArgumentError`.
 *
 * @example
 * ```ts
 * import { observeIssuer } from 'coupon-issuer/prometheus';
 * import { register } from 'prom-client';
 *
 * observeIssuer(issuer);
 * const page = await register.metrics();
 * ```
 */
export function observeIssuer<Client = never>(
  issuer: CouponIssuer<Client>,
  options: PrometheusOptions = {},
): PrometheusTelemetry {
  const labels = checkedTelemetry(issuer, options, ['register']);
  const { register = globalRegister } = options;
  const { recorder, names } = registered(register);
  const stopRecording = recordSteps(recorder, labels);
  names.push(...gauges(register, () => observe(issuer, labels)));
  const stop = () => {
    stopRecording();
    for (const name of names) register.removeSingleMetric(name);
  };
  return { stop, [Symbol.dispose]: stop };
}

function registered(register: Registry): { recorder: Recorder; names: string[] } {
  const on = { registers: [register] };
  const counters = new Map(
    instrumentsOf('counter').map(([key, one]) => [key, new Counter({ ...shapeOf(one), ...on })]),
  );
  const histograms = new Map(
    instrumentsOf('histogram').map(([key, one]) => [
      key,
      new Histogram({ ...shapeOf(one), ...on, buckets: [...(one.buckets ?? [])] }),
    ]),
  );
  const recorder: Recorder = {
    add: (key, value, labels) => counters.get(key)!.inc(spelt(labels), value),
    record: (key, value, labels) => histograms.get(key)!.observe(spelt(labels), value),
  };
  const names = [...instrumentsOf('counter'), ...instrumentsOf('histogram')].map(([, one]) => nameOf(one));
  return { recorder, names };
}

/** All gauges of one scrape share one reading. */
function gauges(register: Registry, read: () => ReturnType<typeof observe>): string[] {
  let reading: Promise<void> | null = null;
  const shared = () => {
    reading ??= fill().finally(() => {
      reading = null;
    });
    return reading;
  };
  const all = new Map(
    instrumentsOf('gauge').map(([key, one]) => [
      key,
      new Gauge({ ...shapeOf(one), registers: [register], collect: shared }),
    ]),
  );
  const fill = async () => {
    const points = await read().catch(() => []);
    // A campaign that is over, or that cannot be read, has no number: an old one would lie.
    for (const gauge of all.values()) gauge.reset();
    for (const { gauge, value, labels } of points) all.get(gauge)!.set(spelt(labels), value);
  };
  return instrumentsOf('gauge').map(([, one]) => nameOf(one));
}

function shapeOf(one: Instrument): { name: string; help: string; labelNames: string[] } {
  return { name: nameOf(one), help: one.description, labelNames: one.labels.map(spell) };
}

function nameOf({ kind, name, unit }: Instrument): string {
  const end = kind === 'counter' ? '_total' : unit === 's' ? '_seconds' : '';
  return `coupon_issuer_${spell(name)}${end}`;
}

/** No other label has a dot. */
function spelt(labels: Labels): Labels {
  const { 'error.type': type, ...others } = labels;
  return type === undefined ? labels : { ...others, error_type: type };
}

function spell(name: string): string {
  return name.replaceAll('.', '_');
}
