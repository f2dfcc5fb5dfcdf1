import { type MeterProvider, metrics, type ObservableGauge, type TracerProvider, trace } from '@opentelemetry/api';
import type { CouponIssuer } from '../issuer.js';
import { assertBoolean } from '../model/check.js';
import { type GaugeKey, type Instrument, instrumentsOf } from '../telemetry/instruments.js';
import { checkedTelemetry, observe, type TelemetryOptions } from '../telemetry/observe.js';
import { recordSteps } from '../telemetry/record.js';
import { traceSteps } from './spans.js';

export type { TelemetryOptions } from '../telemetry/observe.js';

export interface OpenTelemetryOptions extends TelemetryOptions {
  /** Default: the global one. */
  readonly meterProvider?: MeterProvider | undefined;
  /** Default: the global one. */
  readonly tracerProvider?: TracerProvider | undefined;
  /** One span more for each call of `issue()`, for debugging: default `false`. */
  readonly perCall?: boolean | undefined;
}

/** The metrics and spans of `observeIssuer`. */
export interface OpenTelemetryTelemetry extends Disposable {
  /** Ends both. */
  stop(): void;
}

const SCOPE = 'coupon-issuer';

/**
 * Measures the issuers of this process with OpenTelemetry (`@opentelemetry/api` 1.9). Counters, histograms and spans are
 * of all issuers, gauges of the campaigns of this one. Names, labels and units: docs/telemetry.md. Call it once per
 * process, after your SDK has started.
 *
 * One span per batch, with links to the spans of its callers. Each collection reads the campaigns: one round trip per
 * campaign. While Redis is away, it has no gauges. Throws `InvalidArgumentError`.
 *
 * @example
 * ```ts
 * import { observeIssuer } from 'coupon-issuer/opentelemetry';
 *
 * const telemetry = observeIssuer(issuer);
 * telemetry.stop();
 * ```
 */
export function observeIssuer<Client = never>(
  issuer: CouponIssuer<Client>,
  options: OpenTelemetryOptions = {},
): OpenTelemetryTelemetry {
  const labels = checkedTelemetry(issuer, options, ['meterProvider', 'tracerProvider', 'perCall']);
  const { meterProvider = metrics, tracerProvider = trace, perCall = false } = options;
  assertBoolean('perCall', perCall);
  const meter = meterProvider.getMeter(SCOPE);
  const counters = new Map(
    instrumentsOf('counter').map(([key, one]) => [key, meter.createCounter(nameOf(one), shapeOf(one))]),
  );
  const histograms = new Map(
    instrumentsOf('histogram').map(([key, one]) => [key, meter.createHistogram(nameOf(one), shapeOf(one))]),
  );
  const gauges = new Map<GaugeKey, ObservableGauge>(
    instrumentsOf('gauge').map(([key, one]) => [key, meter.createObservableGauge(nameOf(one), shapeOf(one))]),
  );
  const stopRecording = recordSteps(
    {
      add: (key, value, attributes) => counters.get(key)!.add(value, attributes),
      record: (key, value, attributes) => histograms.get(key)!.record(value, attributes),
    },
    labels,
  );
  const stopTracing = traceSteps(tracerProvider.getTracer(SCOPE), perCall);
  const collect: Parameters<typeof meter.addBatchObservableCallback>[0] = async (result) => {
    const points = await observe(issuer, labels).catch(() => []);
    for (const { gauge, value, labels: attributes } of points) result.observe(gauges.get(gauge)!, value, attributes);
  };
  const observed = [...gauges.values()];
  meter.addBatchObservableCallback(collect, observed);
  const stop = () => {
    stopRecording();
    stopTracing();
    meter.removeBatchObservableCallback(collect, observed);
  };
  return { stop, [Symbol.dispose]: stop };
}

function nameOf({ name }: Instrument): string {
  return `coupon_issuer.${name}`;
}

function shapeOf({ unit, description, buckets }: Instrument) {
  return {
    unit,
    description,
    ...(buckets && { advice: { explicitBucketBoundaries: [...buckets] } }),
  };
}
