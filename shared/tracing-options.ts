// The destination of traces, from a flag and OpenTelemetry's standard variables. Loads no code of
// OpenTelemetry, so a process without traces never does.
import { MetatrainError } from './errors.ts';

export interface TracingOptions {
  /**
   * The address for spans: OTLP over HTTP, binary protobuf. Its headers, certificates and limits
   * come from the standard variables.
   */
  readonly tracesUrl: string;
}

export interface TracedService {
  /** Such as `metatrain-coordinator`, unless OTEL_SERVICE_NAME names another. */
  readonly service: string;
  readonly version: string;
  /** Distinguishes the processes of one service. */
  readonly instance: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The help text of both processes. */
export const otlpEndpointHelp =
  'send traces to this OpenTelemetry collector (OTLP/HTTP, without /v1/traces), or off (env: OTEL_EXPORTER_OTLP_ENDPOINT and the other OTEL_* variables; default: no traces)';

/**
 * Precedence: the flag, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT. Undefined:
 * no traces.
 *
 * @throws MetatrainError `REQUEST_INVALID` naming the flag or the variable.
 */
export function readTracingOptions(flag: string | undefined, environment: Environment): TracingOptions | undefined {
  const isOff = environment.OTEL_SDK_DISABLED?.toLowerCase() === 'true' || environment.OTEL_TRACES_EXPORTER === 'none';
  if (flag === 'off' || (flag === undefined && isOff)) return undefined;
  const tracesUrl = tracesUrlOf(flag, environment);
  if (tracesUrl === undefined) return undefined;
  const name = 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL';
  const protocol = environment[name] || environment.OTEL_EXPORTER_OTLP_PROTOCOL || 'http/protobuf';
  if (protocol !== 'http/protobuf') {
    const variable = environment[name] ? name : 'OTEL_EXPORTER_OTLP_PROTOCOL';
    throw invalid(variable, protocol, 'http/protobuf (a collector takes it on port 4318)');
  }
  return { tracesUrl };
}

function tracesUrlOf(flag: string | undefined, environment: Environment): string | undefined {
  const whole = 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT';
  const base = 'OTEL_EXPORTER_OTLP_ENDPOINT';
  if (flag !== undefined) return withPath(checkedUrl('--otlp-endpoint', flag));
  if (environment[whole]) return checkedUrl(whole, environment[whole]).href;
  if (environment[base]) return withPath(checkedUrl(base, environment[base]));
  return undefined;
}

function withPath(url: URL): string {
  url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/traces`;
  return url.href;
}

function checkedUrl(name: string, value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw invalid(name, value, 'http:// or https://, such as http://127.0.0.1:4318');
}

const invalid = (name: string, got: string, accepted: string): MetatrainError =>
  new MetatrainError('REQUEST_INVALID', `${name}: got ${got}; accepted: ${accepted}`);
