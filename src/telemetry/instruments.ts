/** A counter, a histogram or a gauge, as both OpenTelemetry and Prometheus have it. */
export interface Instrument {
  readonly kind: 'counter' | 'histogram' | 'gauge';
  /** Of OpenTelemetry, behind `coupon_issuer.`. */
  readonly name: string;
  /** As UCUM writes it. */
  readonly unit: string;
  readonly description: string;
  readonly labels: readonly string[];
  /** The upper bounds of a histogram. */
  readonly buckets?: readonly number[];
}

const SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];
const SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];

/** Everything that is measured. Each label has a fixed set of values, or a cap. */
const INSTRUMENTS = {
  requests: {
    kind: 'counter',
    name: 'requests',
    unit: '{request}',
    description: 'Calls of issue(), by their status or the code of their error.',
    labels: ['campaign', 'outcome', 'replayed'],
  },
  issued: {
    kind: 'counter',
    name: 'issued',
    unit: '{coupon}',
    description: 'Coupons that this process saw become issued in Redis, each at most once.',
    labels: ['campaign'],
  },
  issueDuration: {
    kind: 'histogram',
    name: 'issue.duration',
    unit: 's',
    description: 'How long calls of issue() take.',
    labels: ['outcome'],
    buckets: SECONDS,
  },
  stepDuration: {
    kind: 'histogram',
    name: 'step.duration',
    unit: 's',
    description: 'How long the steps of a batch take.',
    labels: ['step', 'error.type'],
    buckets: SECONDS,
  },
  batchSize: {
    kind: 'histogram',
    name: 'batch.size',
    unit: '{issuance}',
    description: 'How many issuances a step works on at once.',
    labels: ['step'],
    buckets: SIZES,
  },
  admitted: {
    kind: 'counter',
    name: 'admitted',
    unit: '{place}',
    description: 'Users whom this process admitted from the line.',
    labels: ['campaign'],
  },
  placesEnded: {
    kind: 'counter',
    name: 'waiting.ended',
    unit: '{place}',
    description: 'Places in line that ended without a coupon, by the reason.',
    labels: ['campaign', 'end'],
  },
  redemptions: {
    kind: 'counter',
    name: 'redemptions',
    unit: '{redemption}',
    description: 'Calls of redeem() that reached the database, by their answer.',
    labels: ['campaign', 'outcome'],
  },
  faults: {
    kind: 'counter',
    name: 'faults',
    unit: '{fault}',
    description: 'Faults that reached no caller, or that an operator should know.',
    labels: ['during', 'error.type'],
  },
  cacheRequests: {
    kind: 'counter',
    name: 'cache.requests',
    unit: '{request}',
    description: 'Keys that a cache was asked for, by where the value came from.',
    labels: ['name', 'result'],
  },
  ready: {
    kind: 'gauge',
    name: 'ready',
    unit: '1',
    description: '1 while the state of the campaign in Redis is whole; otherwise 0, and nothing is issued.',
    labels: ['campaign'],
  },
  units: {
    kind: 'gauge',
    name: 'units',
    unit: '{unit}',
    description: 'Units of the campaign as Redis counts them. The quarantined ones are reserved too.',
    labels: ['campaign', 'state'],
  },
  backlog: {
    kind: 'gauge',
    name: 'backlog',
    unit: '{issuance}',
    description: 'Reservations that wait for a worker.',
    labels: ['campaign'],
  },
  backlogAge: {
    kind: 'gauge',
    name: 'backlog.age',
    unit: 's',
    description: 'How long ago the oldest of the backlog was reserved; 0: there is none.',
    labels: ['campaign'],
  },
  waitingPlaces: {
    kind: 'gauge',
    name: 'waiting.places',
    unit: '{place}',
    description: 'Users in line.',
    labels: ['campaign'],
  },
} as const satisfies Record<string, Instrument>;

type InstrumentKey = keyof typeof INSTRUMENTS;
type KeysOf<K extends Instrument['kind']> = {
  [Key in InstrumentKey]: (typeof INSTRUMENTS)[Key]['kind'] extends K ? Key : never;
}[InstrumentKey];
export type CounterKey = KeysOf<'counter'>;
export type HistogramKey = KeysOf<'histogram'>;
export type GaugeKey = KeysOf<'gauge'>;

/** By the names of the instrument; a label without a value is left out. */
export type Labels = Readonly<Record<string, string>>;

/** The instruments of one kind, by their keys. */
export function instrumentsOf<K extends Instrument['kind']>(kind: K): [KeysOf<K>, Instrument][] {
  return (Object.entries(INSTRUMENTS) as unknown as [KeysOf<K>, Instrument][]).filter(([, one]) => one.kind === kind);
}
