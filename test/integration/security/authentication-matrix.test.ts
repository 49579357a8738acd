// Every call that the server offers × every kind of credential. What is expected stands here once more, written out: a call that is new, or
// whose access changes, fails until somebody has said here who may make it.
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  ChannelCredentials,
  Client,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  status,
} from '@grpc/grpc-js';
import { Refusals } from '../../../coordinator/access/refusals.ts';
import { Door } from '../../../coordinator/rpc/door.ts';
import { realClock } from '../../../shared/clock.ts';
import { silentLogger } from '../../../shared/log.ts';
import { hashOfSecret, newSecret, type Role, roles } from '../../../shared/tokens.ts';
import { loadReflectionDefinition } from '../../../shared/wire.ts';
import { SecuredCluster, token } from './secured-cluster.ts';

interface Expectation {
  readonly access: 'everybody' | readonly Role[];
  /** What an empty request is answered with by the handler itself, once the door has let it in. */
  readonly inside: status;
}

const reading = ['read', 'admin'] as const;
const submitting = ['submit', 'admin'] as const;
const predicting = ['predict', 'admin'] as const;
const reflecting = ['read', 'predict', 'admin'] as const;

const expected: Readonly<Record<string, Expectation>> = {
  '/metatrain.v1.JobService/SubmitJob': { access: submitting, inside: status.INVALID_ARGUMENT },
  '/metatrain.v1.JobService/GetJob': { access: reading, inside: status.NOT_FOUND },
  '/metatrain.v1.JobService/GetShard': { access: reading, inside: status.NOT_FOUND },
  '/metatrain.v1.JobService/ListJobs': { access: reading, inside: status.OK },
  '/metatrain.v1.JobService/CancelJob': { access: submitting, inside: status.NOT_FOUND },
  '/metatrain.v1.JobService/PauseJob': { access: submitting, inside: status.NOT_FOUND },
  '/metatrain.v1.JobService/ResumeJob': { access: submitting, inside: status.NOT_FOUND },
  '/metatrain.v1.JobService/DeleteJob': { access: submitting, inside: status.NOT_FOUND },
  '/metatrain.v1.JobService/WatchJob': { access: reading, inside: status.NOT_FOUND },
  '/metatrain.v1.JobService/DownloadCheckpoint': { access: reading, inside: status.NOT_FOUND },
  '/metatrain.v1.ModelService/Adapt': { access: predicting, inside: status.INVALID_ARGUMENT },
  '/metatrain.v1.ModelService/Predict': { access: predicting, inside: status.INVALID_ARGUMENT },
  '/metatrain.v1.ModelService/ListAdapted': { access: predicting, inside: status.OK },
  '/metatrain.v1.ModelService/GetAdapted': { access: predicting, inside: status.NOT_FOUND },
  '/metatrain.v1.ModelService/DropAdapted': { access: predicting, inside: status.NOT_FOUND },
  '/metatrain.v1.ClusterService/ListWorkers': { access: reading, inside: status.OK },
  '/metatrain.v1.ClusterService/WatchEvents': { access: reading, inside: status.OK },
  '/metatrain.v1.WorkerService/Connect': { access: ['worker'], inside: status.INVALID_ARGUMENT },
  '/grpc.health.v1.Health/Check': { access: 'everybody', inside: status.OK },
  '/grpc.health.v1.Health/List': { access: roles, inside: status.OK },
  '/grpc.health.v1.Health/Watch': { access: roles, inside: status.OK },
  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo': { access: reflecting, inside: status.OK },
  '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo': { access: reflecting, inside: status.OK },
};

/** list_services: "", field 7 of a ServerReflectionRequest; no_follow, field 4 of a WatchEventsRequest; nothing for the others. */
function requestFor(path: string): Buffer {
  if (path.startsWith('/grpc.reflection.')) return Buffer.from([0x3a, 0x00]);
  return path.endsWith('/WatchEvents') ? Buffer.from([0x20, 0x01]) : Buffer.alloc(0);
}

/** Paths of the calls of `proto/`. */
function pathsOfContract(): string[] {
  return Object.values(loadReflectionDefinition()).flatMap((entry) =>
    'format' in entry ? [] : Object.values(entry as ServiceDefinition).map(({ path }) => path),
  );
}

test('every call × no credential, a wrong one, an expired one, each role: as the table says', async (t) => {
  const served = new Set<string>();
  const { addService } = Server.prototype;
  t.mock.method(Server.prototype, 'addService', function (this: Server, ...args: Parameters<typeof addService>) {
    for (const { path } of Object.values(args[0])) served.add(path);
    addService.apply(this, args);
  });
  const byRole = roles.map((role) => token(`only-${role}`, [role]));
  const expired = token('expired', roles, Date.now() - 1_000);
  const cluster = await SecuredCluster.start(t, [...byRole, expired]);

  assert.deepEqual([...served].sort(), Object.keys(expected).sort(), 'every call that is served stands in the table');
  for (const path of pathsOfContract()) assert.ok(served.has(path), `${path} is served`);

  const client = new Client(cluster.address, ChannelCredentials.createInsecure());
  t.after(() => client.close());
  const bearer = (secret: string) => [`Bearer ${secret}`];
  const [first] = byRole as [(typeof byRole)[0]];
  const columns: { readonly name: string; readonly authorization: string[]; readonly roles?: readonly Role[] }[] = [
    { name: 'no credential', authorization: [] },
    { name: 'another scheme', authorization: ['Basic YWRtaW46YWRtaW4='] },
    { name: 'an empty token', authorization: ['Bearer '] },
    { name: 'an unknown token', authorization: bearer(newSecret()) },
    { name: 'a part of a token', authorization: bearer(first.secret.slice(0, -1)) },
    { name: "a token's hash", authorization: bearer(hashOfSecret(first.secret)) },
    { name: 'an expired token', authorization: bearer(expired.secret) },
    ...byRole.map((of) => ({ name: of.name, authorization: bearer(of.secret), roles: of.roles })),
  ];
  for (const [path, { access, inside }] of Object.entries(expected)) {
    for (const { name, authorization, roles: has } of columns) {
      const isLetIn = access === 'everybody' || has?.some((role) => access.includes(role));
      const refusal = has ? status.PERMISSION_DENIED : status.UNAUTHENTICATED;
      const { code, details, metadata } = await answer(client, path, authorization);
      assert.equal(status[code], status[isLetIn ? inside : refusal], `${path} with ${name}: ${details}`);
      if (isLetIn) continue;
      assert.deepEqual(metadata.get('metatrain-code'), [has ? 'FORBIDDEN' : 'UNAUTHENTICATED']);
      for (const value of authorization) assert.ok(!details.includes(value.slice(7, 20) || '\0'), details);
    }
  }
});

test('without tokens every call is admitted, except calls without a line in the table', async (t) => {
  const refusals = new Refusals({ clock: realClock, log: silentLogger });
  const door = new Door({ callsPerClient: 1 }, { tokens: undefined, refusals, clock: realClock, log: silentLogger });
  const server = new Server({ interceptors: [door.interceptor] });
  t.after(() => server.forceShutdown());
  const identity = { serialize: (bytes: Buffer) => bytes, deserialize: (bytes: Buffer) => bytes };
  const method = (path: string) => ({
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: identity.serialize,
    requestDeserialize: identity.deserialize,
    responseSerialize: identity.serialize,
    responseDeserialize: identity.deserialize,
  });
  const paths = ['/metatrain.v1.JobService/ListJobs', '/metatrain.v1.JobService/DropEverything'] as const;
  let handled = 0;
  server.addService(
    { known: method(paths[0]), forgotten: method(paths[1]) },
    Object.fromEntries(
      ['known', 'forgotten'].map((name) => [
        name,
        (_: unknown, callback: (error: null, answer: Buffer) => void) => {
          handled += 1;
          callback(null, Buffer.alloc(0));
        },
      ]),
    ),
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const client = new Client(`127.0.0.1:${port}`, ChannelCredentials.createInsecure());
  t.after(() => client.close());
  assert.equal((await answer(client, paths[0], [])).code, status.OK);
  const refused = await answer(client, paths[1], []);
  assert.equal(refused.code, status.PERMISSION_DENIED);
  assert.match(refused.details, /DropEverything is open to nobody/);
  assert.equal(handled, 1);
});

interface Answer {
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;
}

/** How a call with one empty request is answered: OK as soon as a message comes, whatever kind of call it is. */
function answer(client: Client, path: string, authorization: readonly string[]): Promise<Answer> {
  const metadata = new Metadata();
  for (const value of authorization) metadata.add('authorization', value);
  const same = (bytes: Buffer) => bytes;
  const call = client.makeBidiStreamRequest(path, same, same, metadata, { deadline: Date.now() + 30_000 });
  return new Promise((resolve) => {
    call.on('data', () => {
      resolve({ code: status.OK, details: '', metadata: new Metadata() });
      call.cancel();
    });
    call.on('error', () => {});
    call.on('status', resolve);
    call.write(requestFor(path));
    call.end();
  });
}
