// The only file that imports OpenTelemetry; only a process with traces imports it. Makes spans and
// sends them in the background. Spans that cannot be sent are dropped and logged from time to time.
// Only the end of a process waits for a collector, for a short time.
import {
  type Attributes,
  type Context,
  DiagLogLevel,
  diag,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';
import type { TracedService, TracingOptions } from './tracing-options.ts';

export type { Attributes, Span, SpanContext };

/** Longest that the end of a process waits for a collector. */
const closeWithinMs = 1_000;
/** A collector that does not answer is logged at most this often. */
const complainEveryMs = 60_000;
/** If the wall clock falls behind the monotonic clock by more than this, spans follow it. */
const clockSlackMs = 2;

export interface SpanStart {
  /** Absent: the span begins a new trace. */
  readonly parent?: Span | SpanContext | undefined;
  /** Related spans of other traces. */
  readonly links?: readonly SpanContext[];
  readonly attributes?: Attributes;
  /** Default: now. */
  readonly at?: number;
}

export class Tracing {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #provider: BasicTracerProvider;
  readonly #tracer: Tracer;
  readonly #propagator = new W3CTraceContextPropagator();
  #epochMs = Number.NEGATIVE_INFINITY;
  #closing: Promise<void> | undefined;

  constructor(
    { tracesUrl }: TracingOptions,
    { service, version, instance }: TracedService,
    { clock, log }: { readonly clock: Clock; readonly log: Logger },
  ) {
    this.#clock = clock;
    this.#log = log;
    complainInto(log, clock);
    const ours = { 'service.name': service, 'service.version': version, 'service.instance.id': instance };
    const fromEnvironment = detectResources({ detectors: [envDetector] });
    this.#provider = new BasicTracerProvider({
      resource: defaultResource().merge(resourceFromAttributes(ours)).merge(fromEnvironment),
      // The queue is bounded (OTEL_BSP_MAX_QUEUE_SIZE, 2,048 spans). Beyond it spans are dropped.
      spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url: tracesUrl }))],
    });
    this.#tracer = this.#provider.getTracer('metatrain', version);
  }

  /**
   * Milliseconds since 1970, with fractions that are comparable among the processes of one machine:
   * the wall clock itself counts whole milliseconds.
   */
  now(): number {
    const elapsedMs = this.#clock.elapsedMs();
    // The wall clock rounds down, so the greatest difference is the closest.
    const epochMs = this.#clock.now() - elapsedMs;
    if (epochMs > this.#epochMs || epochMs < this.#epochMs - clockSlackMs) this.#epochMs = epochMs;
    return this.#epochMs + elapsedMs;
  }

  /**
   * A span that the sampler drops costs almost nothing; the caller need not make children of it.
   */
  start(name: string, { parent, links = [], attributes, at = this.now() }: SpanStart): Span {
    const context = parent ? trace.setSpanContext(ROOT_CONTEXT, contextOf(parent)) : ROOT_CONTEXT;
    const options = { startTime: at, links: links.map((context) => ({ context })), ...(attributes && { attributes }) };
    return this.#tracer.startSpan(name, options, context);
  }

  /** Ends the span with its outcome; an `error` marks it as failed. */
  end(span: Span, attributes: Attributes, error?: string): void {
    span.setAttributes(attributes);
    if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
    span.end(this.now());
  }

  /** The span in the format of W3C Trace Context. */
  traceparentOf(span: Span): string {
    const carrier: Record<string, string> = {};
    this.#propagator.inject(trace.setSpan(ROOT_CONTEXT, span), carrier, {
      set: (into, key, value) => {
        into[key] = value;
      },
    });
    return carrier.traceparent ?? '';
  }

  /** Undefined for an invalid traceparent. */
  readTraceparent(traceparent: string): SpanContext | undefined {
    const getter = {
      keys: () => ['traceparent'],
      get: (from: string, key: string) => (key === 'traceparent' ? from : ''),
    };
    const context: Context = this.#propagator.extract(ROOT_CONTEXT, traceparent, getter);
    const found = trace.getSpanContext(context);
    return found && isSpanContextValid(found) ? found : undefined;
  }

  /** Sends the remaining spans, for a short time. May be called twice. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      const stopWaiting = this.#clock.after(closeWithinMs, () => {
        this.#log.warn(
          { waitedMs: closeWithinMs },
          'the last traces are lost: the collector did not take them in time',
        );
        resolve();
      });
      this.#provider
        .shutdown()
        .catch((error: unknown) => diag.error(String(error)))
        .finally(() => {
          stopWaiting();
          resolve();
        });
    });
    return this.#closing;
  }
}

const contextOf = (parent: Span | SpanContext): SpanContext =>
  'spanContext' in parent ? parent.spanContext() : parent;

/**
 * Writes OpenTelemetry's messages to the log: the first at once, later ones with the number of
 * messages in between.
 */
function complainInto(log: Logger, clock: Clock): void {
  let quietUntil = Number.NEGATIVE_INFINITY;
  let untold = 0;
  const complain = (reason: string) => {
    const now = clock.elapsedMs();
    if (now < quietUntil) {
      untold += 1;
      return;
    }
    log.warn({ reason: reason.slice(0, 500), untold }, 'traces are lost; training goes on');
    quietUntil = now + complainEveryMs;
    untold = 0;
  };
  const nothing = () => undefined;
  const logger = { error: complain, warn: complain, info: nothing, debug: nothing, verbose: nothing };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
}
