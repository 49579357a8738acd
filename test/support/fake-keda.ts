// What KEDA and the HorizontalPodAutoscaler do with an external-push trigger, faster: opens
// StreamIsActive, asks for the figure again and again, and starts and stops replicas by ceil(figure
// / target). Speaks KEDA's published proto by itself, without our wire code.
import { EventEmitter, once } from 'node:events';
import { join } from 'node:path';
import { type Client, credentials, type GrpcObject, loadPackageDefinition, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { packageRoot } from '../../shared/wire.ts';

interface Ref {
  readonly name: string;
  readonly namespace: string;
  readonly scalerMetadata: Readonly<Record<string, string>>;
}

type Answer<Response> = (error: ServiceError | null, response: Response) => void;

interface ScalerClient extends Client {
  IsActive(ref: Ref, answer: Answer<{ result: boolean }>): void;
  StreamIsActive(ref: Ref): NodeJS.ReadableStream & { cancel(): void };
  GetMetricSpec(ref: Ref, answer: Answer<{ metricSpecs: { metricName: string; targetSizeFloat: number }[] }>): void;
  GetMetrics(
    request: { scaledObjectRef: Ref; metricName: string },
    answer: Answer<{ metricValues: { metricName: string; metricValueFloat: number }[] }>,
  ): void;
}

export class KedaClient {
  readonly #client: ScalerClient;
  readonly #ref: Ref;

  constructor(address: string, scalerMetadata: Readonly<Record<string, string>>) {
    const options = { keepCase: true, longs: Number, defaults: true };
    const file = join(packageRoot, 'proto', 'externalscaler', 'externalscaler.proto');
    const { ExternalScaler } = loadPackageDefinition(loadSync(file, options)).externalscaler as GrpcObject;
    const Service = ExternalScaler as unknown as new (...args: unknown[]) => ScalerClient;
    this.#client = new Service(address, credentials.createInsecure());
    this.#ref = { name: 'workers', namespace: 'metatrain', scalerMetadata };
  }

  async isActive(): Promise<boolean> {
    return (await answered<{ result: boolean }>((done) => this.#client.IsActive(this.#ref, done))).result;
  }

  /** Calls `onAnswer` with each pushed answer. @returns ends the stream */
  watch(onAnswer: (isActive: boolean) => void): () => void {
    const stream = this.#client.StreamIsActive(this.#ref);
    stream.on('data', ({ result }: { result: boolean }) => onAnswer(result));
    stream.on('error', () => {});
    return () => stream.cancel();
  }

  async spec(): Promise<{ readonly metricName: string; readonly targetSizeFloat: number }> {
    const done = await answered<{ metricSpecs: { metricName: string; targetSizeFloat: number }[] }>((answer) =>
      this.#client.GetMetricSpec(this.#ref, answer),
    );
    return done.metricSpecs[0]!;
  }

  async value(metricName: string): Promise<number> {
    const request = { scaledObjectRef: this.#ref, metricName };
    const done = await answered<{ metricValues: { metricValueFloat: number }[] }>((answer) =>
      this.#client.GetMetrics(request, answer),
    );
    return done.metricValues[0]!.metricValueFloat;
  }

  close(): void {
    this.#client.close();
  }
}

/** A call's answer. */
function answered<Response>(call: (answer: Answer<Response>) => void): Promise<Response> {
  return new Promise((resolve, reject) => call((error, response) => (error ? reject(error) : resolve(response))));
}

export interface FakeKedaOptions {
  readonly address: string;
  readonly slotsPerWorker: number;
  readonly maxReplicas: number;
  readonly pollMs: number;
}

/** Keeps as many replicas as the scaler asks for. `scale` is told each new number; it resolves when they are started or told to stop. */
export class FakeKeda {
  readonly #client: KedaClient;
  readonly #scale: (replicas: number) => Promise<void>;
  readonly #options: FakeKedaOptions;
  readonly #endWatch: () => void;
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();
  #isClosed = false;
  readonly #news = new EventEmitter();
  readonly #scaled: number[] = [];
  /** Every number of replicas that was wanted, in order. */
  readonly wanted: number[] = [0];

  constructor(options: FakeKedaOptions, scale: (replicas: number) => Promise<void>) {
    this.#options = options;
    this.#scale = scale;
    this.#client = new KedaClient(options.address, { slotsPerWorker: String(options.slotsPerWorker) });
    // KEDA starts the first replica when it is pushed `true`; the autoscaler polls from then on.
    this.#endWatch = this.#client.watch((isActive) => {
      if (isActive) this.#look();
      else this.#turn = this.#turn.then(() => this.#want(0));
    });
  }

  #look(): void {
    clearTimeout(this.#timer);
    this.#turn = this.#turn.then(async () => {
      if (this.#isClosed) return;
      const { metricName, targetSizeFloat } = await this.#client.spec();
      const value = await this.#client.value(metricName);
      await this.#want(Math.min(this.#options.maxReplicas, Math.ceil(value / targetSizeFloat)));
      if (value > 0 && !this.#isClosed) this.#timer = setTimeout(() => this.#look(), this.#options.pollMs);
    });
  }

  async #want(replicas: number): Promise<void> {
    if (replicas === this.wanted.at(-1)) return;
    this.wanted.push(replicas);
    await this.#scale(replicas);
    this.#scaled.push(replicas);
    this.#news.emit('scaled');
  }

  /** Resolves when this number of replicas was the last that was asked for. */
  async turnedTo(replicas: number): Promise<void> {
    while (this.#scaled.at(-1) !== replicas) await once(this.#news, 'scaled');
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#endWatch();
    await this.#turn;
    this.#client.close();
  }
}
