import {
  type Attributes,
  type Link,
  type Span,
  type SpanContext,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { onEnd, onStart } from '../telemetry/record.js';
import type { BatchMessage, IssueMessage } from '../tracing/channels.js';
import type { StepMessage } from '../tracing/step-channel.js';

/** Any message of a batch. */
interface Traced extends StepMessage {
  readonly step?: BatchMessage['step'];
  readonly campaignId?: string;
  readonly campaignIds?: readonly string[];
  readonly size: number;
  readonly calls?: readonly IssueMessage[];
}

const BATCHES = ['batch', 'save', 'deliver', 'settle', 'admit', 'redeem'] as const;
/** The limit of the SDK, by default. */
const MOST_LINKS = 128;
const OUTCOME = 'coupon_issuer.outcome';

/** One span per batch, with links to the spans in which its calls were made. Returns a function that ends it. */
export function traceSteps(tracer: Tracer, perCall: boolean): () => void {
  const callers = new WeakMap<IssueMessage, SpanContext>();
  const spans = new WeakMap<object, Span>();
  const end = (message: StepMessage & { size?: number }, outcome: string) => {
    const span = spans.get(message);
    if (!span) return;
    if (message.size !== undefined) span.setAttribute('coupon_issuer.batch.size', message.size);
    span.setAttribute(OUTCOME, outcome);
    if (message.errorType !== undefined) {
      span.setAttribute('error.type', message.errorType);
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    span.end();
  };
  const ends = [
    onStart<IssueMessage>('issue', (message) => {
      const span = perCall
        ? tracer.startSpan('coupon_issuer.issue', { attributes: attributesOf(message) })
        : trace.getActiveSpan();
      if (perCall) spans.set(message, span!);
      if (span) callers.set(message, span.spanContext());
    }),
    onEnd<IssueMessage>('issue', (message) => end(message, message.status ?? 'failed')),
    ...BATCHES.flatMap((name) => [
      onStart<Traced>(name, (message) => {
        const contexts = message.calls?.flatMap((call) => callers.get(call) ?? []) ?? [];
        const links: Link[] = contexts.slice(0, MOST_LINKS).map((context) => ({ context }));
        // It belongs to many calls, so it is the child of none.
        const span = tracer.startSpan(`coupon_issuer.${message.step ?? name}`, {
          root: true,
          links,
          attributes: attributesOf(message),
        });
        spans.set(message, span);
      }),
      onEnd<Traced>(name, (message) => end(message, message.errorType === undefined ? 'done' : 'failed')),
    ]),
  ];
  return () => {
    for (const stop of ends) stop();
  };
}

function attributesOf({ campaignId, campaignIds }: Pick<Traced, 'campaignId' | 'campaignIds'>): Attributes {
  const one = campaignId ?? (campaignIds?.length === 1 ? campaignIds[0] : undefined);
  return one === undefined ? {} : { 'coupon_issuer.campaign.id': one };
}
