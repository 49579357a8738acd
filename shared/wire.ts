// Loads proto/ once and exports the typed services, and the few facts that both ends of the wire
// share.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format } from 'node:util';
import { type ChannelOptions, loadPackageDefinition, type Metadata, setLogger } from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { type ErrorCode, isErrorCode } from './errors.ts';
import { printableLines } from './foreign-text.ts';
import type { ProtoGrpcType as ClusterProto } from './gen/cluster.ts';
import type { ProtoGrpcType as ScalerProto } from './gen/externalscaler.ts';
import type { ProtoGrpcType as JobProto } from './gen/job.ts';
import type { ProtoGrpcType as ModelProto } from './gen/model.ts';
import type { ProtoGrpcType as WorkerProto } from './gen/worker.ts';
import { withoutSecrets } from './tokens.ts';

/** A worker and a coordinator with different protocol versions refuse each other. */
export const protocolVersion = 1;

/** Where a coordinator listens, and a client or worker looks for it, unless told otherwise. */
export const defaultCoordinatorAddress = '127.0.0.1:7420';

/** Bytes of one payload chunk, at most: a heartbeat is never stuck behind more than this. */
export const maxChunkBytes = 1_048_576;

/** The largest payload: 256 Mi parameters, float32. */
export const maxPayloadBytes = 2 ** 30;

/** Jobs that have not ended, which a coordinator keeps by default and a worker may be told of. */
export const maxUnfinishedJobs = 1_000;

/**
 * Messages that are ready together are sent as one, up to about this size: the cost of a gRPC
 * message is many times that of a small message's bytes.
 */
export const maxBatchBytes = 65_536;

/** Room for a chunk and its envelope; nothing legitimate is larger. */
export const maxMessageBytes = 4 * maxChunkBytes;

export const channelOptions: ChannelOptions = {
  'grpc.max_receive_message_length': maxMessageBytes,
  'grpc.max_send_message_length': maxMessageBytes,
  // HTTP/2 lets 64 KiB travel unanswered unless told otherwise: a payload would wait for an answer every few frames.
  'grpc-node.flow_control_window': maxChunkBytes,
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 10_000,
  // In one process several channels must not share a connection: a worker's stream is its own.
  'grpc.use_local_subchannel_pool': 1,
};

/**
 * Interval of empty messages on a stream of events: most proxies end a silent stream after 60 s.
 */
export const signOfLifeMs = 15_000;

/**
 * Trailing metadata key of an error's code. Only the coordinator sends it: a status without it
 * comes from another program.
 */
export const codeMetadataKey = 'metatrain-code';

/** @returns undefined when a proxy, the network or another program ended the call. */
export function coordinatorsCode(trailers: Metadata | undefined): ErrorCode | undefined {
  const value = trailers?.get(codeMetadataKey)[0];
  return typeof value === 'string' && isErrorCode(value) ? value : undefined;
}

// With GRPC_TRACE set, grpc-js prints the headers of every call, in which the tokens are.
const printTrace = (...parts: unknown[]) =>
  void process.stderr.write(`${printableLines(withoutSecrets(format(...parts)))}\n`);
setLogger({ error: printTrace, info: printTrace, debug: printTrace });

/** The directory that holds proto/, package.json and examples/: the package's root, from dist/ as from the sources. */
export const packageRoot: string = findPackageRoot(dirname(fileURLToPath(import.meta.url)));

function findPackageRoot(directory: string): string {
  if (existsSync(join(directory, 'proto')) && existsSync(join(directory, 'package.json'))) return directory;
  const parent = dirname(directory);
  if (parent === directory) throw new Error('metatrain is installed without its proto folder');
  return findPackageRoot(parent);
}

const ourProtos = ['job', 'model', 'cluster', 'worker'].map((name) => `metatrain/v1/${name}.proto`);

function loadProtos({ keepCase }: { readonly keepCase: boolean }, files = ourProtos): PackageDefinition {
  return loadSync(files, {
    includeDirs: [join(packageRoot, 'proto')],
    longs: Number,
    enums: String,
    defaults: true,
    oneofs: true,
    keepCase,
  });
}

/** The services as proto/ spells them, for reflection. */
export const loadReflectionDefinition = (): PackageDefinition => loadProtos({ keepCase: true });

const loaded = loadPackageDefinition(loadProtos({ keepCase: false })) as unknown as JobProto &
  ModelProto &
  ClusterProto &
  WorkerProto;

export const { JobService, ModelService, ClusterService, WorkerService } = loaded.metatrain.v1;

/** KEDA's service, which the coordinator serves where it is asked to. */
export const loadExternalScaler = (): ScalerProto['externalscaler']['ExternalScaler'] =>
  (
    loadPackageDefinition(
      loadProtos({ keepCase: false }, ['externalscaler/externalscaler.proto']),
    ) as unknown as ScalerProto
  ).externalscaler.ExternalScaler;
