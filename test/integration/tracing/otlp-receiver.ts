// A collector for tests: takes OTLP over HTTP as OpenTelemetry defines it, and gives back the spans as plain records.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import protobuf from 'protobufjs';

/** What a test reads of opentelemetry/proto/collector/trace/v1; the numbers are OTLP's. */
const definition = `
syntax = "proto3";
message Request { repeated ResourceSpans resource_spans = 1; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message Resource { repeated KeyValue attributes = 1; }
message ScopeSpans { repeated Span spans = 2; }
message Span {
  bytes trace_id = 1;
  bytes span_id = 2;
  bytes parent_span_id = 4;
  string name = 5;
  fixed64 start_time_unix_nano = 7;
  fixed64 end_time_unix_nano = 8;
  repeated KeyValue attributes = 9;
  repeated Event events = 11;
  repeated Link links = 13;
  Status status = 15;
}
message Event { string name = 2; }
message Link { bytes trace_id = 1; bytes span_id = 2; }
message Status { string message = 2; int32 code = 3; }
message KeyValue { string key = 1; AnyValue value = 2; }
message AnyValue {
  oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; }
}
`;

export interface ReceivedSpan {
  readonly service: string;
  readonly instance: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: a root. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly string[];
  /** `TRACE/SPAN`. */
  readonly links: readonly string[];
  readonly hasFailed: boolean;
}

interface DecodedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly Attribute[];
  readonly events?: readonly { readonly name: string }[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status?: { readonly code?: number };
}

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

interface DecodedRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly DecodedSpan[] }[];
  }[];
}

const Request = protobuf.parse(definition).root.lookupType('Request');

export class OtlpReceiver {
  /** Without the path, as OTEL_EXPORTER_OTLP_ENDPOINT has it. */
  readonly endpoint: string;
  readonly spans: ReceivedSpan[] = [];
  /** Of every request. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>[] = [];

  private constructor(endpoint: string) {
    this.endpoint = endpoint;
  }

  /** @param answers false: takes connections and says nothing, ever. */
  static async start(context: TestContext, { answers = true } = {}): Promise<OtlpReceiver> {
    const server = createServer((request, response) => {
      if (!answers) return;
      const body: Buffer[] = [];
      request.on('data', (piece: Buffer) => body.push(piece));
      request.on('end', () => {
        assert.equal(request.url, '/v1/traces');
        assert.equal(request.headers['content-type'], 'application/x-protobuf');
        receiver.headers.push(request.headers);
        receiver.spans.push(...readSpans(Buffer.concat(body)));
        response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
      });
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    context.after(() => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    });
    const receiver = new OtlpReceiver(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    return receiver;
  }

  named(name: string): ReceivedSpan[] {
    return this.spans.filter((span) => span.name === name);
  }
}

function readSpans(body: Buffer): ReceivedSpan[] {
  const request = Request.toObject(Request.decode(body), { longs: String, bytes: String }) as DecodedRequest;
  return request.resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const of = valuesOf(resource.attributes);
    const from = { service: String(of['service.name']), instance: String(of['service.instance.id']) };
    return scopeSpans.flatMap(({ spans }) => spans.map((span) => ({ ...from, ...readSpan(span) })));
  });
}

const readSpan = (span: DecodedSpan) => ({
  traceId: hex(span.traceId),
  spanId: hex(span.spanId),
  parentSpanId: hex(span.parentSpanId ?? ''),
  name: span.name,
  startMs: milliseconds(span.startTimeUnixNano),
  endMs: milliseconds(span.endTimeUnixNano),
  attributes: valuesOf(span.attributes ?? []),
  events: (span.events ?? []).map(({ name }) => name),
  links: (span.links ?? []).map(({ traceId, spanId }) => `${hex(traceId)}/${hex(spanId)}`),
  hasFailed: span.status?.code === 2,
});

const hex = (base64: string): string => Buffer.from(base64, 'base64').toString('hex');

const milliseconds = (nanoseconds: string): number => Number(BigInt(nanoseconds) / 1000n) / 1000;

const valuesOf = (attributes: readonly Attribute[]): Record<string, unknown> =>
  Object.fromEntries(
    attributes.map(({ key, value }) => {
      const [[kind, held] = ['', undefined]] = Object.entries(value);
      return [key, kind === 'intValue' ? Number(held) : held];
    }),
  );
