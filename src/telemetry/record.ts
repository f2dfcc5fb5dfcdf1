import type {
  AdmitMessage,
  BatchMessage,
  CacheMessage,
  ChangeMessage,
  DeliverMessage,
  EventMessage,
  IssueMessage,
  RedeemMessage,
  SaveMessage,
  SettleMessage,
} from '../tracing/channels.js';
import { listenTo } from '../tracing/listen.js';
import type { StepMessage } from '../tracing/step-channel.js';
import { CappedLabel } from './capped.js';
import type { CounterKey, HistogramKey, Labels } from './instruments.js';

/** Where numbers go. */
export interface Recorder {
  add(counter: CounterKey, value: number, labels: Labels): void;
  record(histogram: HistogramKey, value: number, labels: Labels): void;
}

/** Names of errors come from hooks, adapters and drivers. */
const MOST_ERROR_TYPES = 50;
const MOST_CACHES = 50;

/** The part that `issue` and `change` have in common. */
interface CallEnd {
  readonly campaignId: string;
  readonly status: string | null;
  readonly errorType?: string | undefined;
}

/** Ends of calls that a campaign of any id has: ids that somebody made up take no place from campaigns. */
const PROVE_NO_CAMPAIGN = new Set(['UNKNOWN_CAMPAIGN', 'INVALID_ARGUMENT', 'CLOSED', 'not_found']);

/** Turns the messages of all issuers of this process into numbers. Returns a function that ends it. */
export function recordSteps(recorder: Recorder, campaigns: CappedLabel): () => void {
  const errorTypes = new CappedLabel(MOST_ERROR_TYPES);
  const caches = new CappedLabel(MOST_CACHES);
  const add = (counter: CounterKey, value: number, labels: Labels) => {
    if (value > 0) recorder.add(counter, value, labels);
  };
  const ofCampaign = (campaignId: string) => ({ campaign: campaigns.of(campaignId) });
  const ofError = (type: string | undefined): Labels =>
    type === undefined ? {} : { 'error.type': errorTypes.of(type) };
  const endOf = ({ campaignId, status, errorType = 'Error' }: CallEnd) => ({
    campaign: campaigns.of(campaignId, !PROVE_NO_CAMPAIGN.has(status ?? errorType)),
    outcome: status ?? errorTypes.of(errorType),
  });
  /** A look that found nothing to do is no step; one that failed is. */
  const step = (name: string, { size, durationMs = 0, errorType }: StepMessage & { size: number }) => {
    if (size === 0 && errorType === undefined) return;
    recorder.record('stepDuration', durationMs / 1_000, { step: name, ...ofError(errorType) });
    if (size > 0) recorder.record('batchSize', size, { step: name });
  };
  const ends = [
    onEnd<IssueMessage>('issue', ({ campaignId, status, replayed, durationMs = 0, errorType }) => {
      const { campaign, outcome } = endOf({ campaignId, status, errorType });
      add('requests', 1, { campaign, outcome, replayed: String(replayed) });
      recorder.record('issueDuration', durationMs / 1_000, { outcome });
    }),
    onEnd<BatchMessage>('batch', (message) => {
      step(message.step, message);
      add('issued', message.issued, ofCampaign(message.campaignId));
    }),
    onEnd<SaveMessage>('save', (message) => step('save', message)),
    onEnd<DeliverMessage>('deliver', (message) => step('deliver', message)),
    onEnd<SettleMessage>('settle', (message) => step('settle', message)),
    onEnd<AdmitMessage>('admit', (message) => {
      step('admit', message);
      add('admitted', message.size, ofCampaign(message.campaignId));
      add('issued', message.issued, ofCampaign(message.campaignId));
    }),
    onEnd<ChangeMessage>('change', (message) => {
      if (message.verb === 'redeem') add('redemptions', 1, endOf(message));
    }),
    onEnd<RedeemMessage>('redeem', (message) => step('redeem', message)),
    onEnd<CacheMessage>('cache', ({ name, result }) => add('cacheRequests', 1, { name: caches.of(name), result })),
    listenTo<EventMessage>('coupon-issuer:event', ({ type, campaignId, count, during, errorType, reason }) => {
      if (type === 'fault' && during) add('faults', 1, { during, ...ofError(errorType) });
      if (type === 'places_ended' && campaignId !== null && reason)
        add('placesEnded', count, { ...ofCampaign(campaignId), end: reason });
    }),
  ];
  return () => {
    for (const end of ends) end();
  };
}

/** Listens to the ends of a step. Returns a function that ends it. */
export function onEnd<M>(step: string, hear: (message: M) => void): () => void {
  return listenTo(`tracing:coupon-issuer:${step}:asyncEnd`, hear);
}

/** Listens to the starts of a step, within the call that starts it. Returns a function that ends it. */
export function onStart<M>(step: string, hear: (message: M) => void): () => void {
  return listenTo(`tracing:coupon-issuer:${step}:start`, hear);
}
