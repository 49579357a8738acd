// Who may ask what of the HTTP API: every route × every kind of credential, and which pages may ask at all. What is expected stands here once
// more, written out: a route that is new fails until somebody has said here who may use it.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Hono } from 'hono';
import { type ApiDependencies, api } from '../../../coordinator/http/api.ts';
import type { JobRow, WhoAmI } from '../../../shared/http-api.ts';
import type { HttpApp } from '../../../shared/http-server.ts';
import { hashOfSecret, newSecret, type Role, roles } from '../../../shared/tokens.ts';
import { specText, TestCluster } from '../coordinator/cluster.ts';
import { openGate } from '../coordinator/open-gate.ts';
import { SecuredCluster, type TestToken, token } from '../security/secured-cluster.ts';
import { type Answer, ask, EventStream, post } from './http-client.ts';

const http = { host: '127.0.0.1', port: 0 };
const bearer = ({ secret }: TestToken) => ({ authorization: `Bearer ${secret}` });

interface Expectation {
  readonly access: readonly Role[];
  /** What the route itself answers once the gate has let the request in; of a stream, its status alone is looked at. */
  readonly inside: number;
}

const reading = ['read', 'admin'] as const;
const submitting = ['submit', 'admin'] as const;
const predicting = ['predict', 'admin'] as const;

const expected: Readonly<Record<string, Expectation>> = {
  'GET /api/v1/whoami': { access: roles, inside: 200 },
  'GET /api/v1/schema': { access: roles, inside: 200 },
  'GET /api/v1/jobs': { access: reading, inside: 200 },
  'POST /api/v1/jobs': { access: submitting, inside: 400 },
  'GET /api/v1/jobs/:jobId': { access: reading, inside: 404 },
  'POST /api/v1/jobs/:jobId/pause': { access: submitting, inside: 404 },
  'POST /api/v1/jobs/:jobId/resume': { access: submitting, inside: 404 },
  'POST /api/v1/jobs/:jobId/cancel': { access: submitting, inside: 404 },
  'DELETE /api/v1/jobs/:jobId': { access: submitting, inside: 404 },
  'GET /api/v1/jobs/:jobId/events': { access: reading, inside: 404 },
  'GET /api/v1/jobs/:jobId/checkpoints/:step': { access: reading, inside: 404 },
  'GET /api/v1/jobs/:jobId/task': { access: ['read', 'predict', 'admin'], inside: 404 },
  'POST /api/v1/models/adapt': { access: predicting, inside: 400 },
  'POST /api/v1/models/predict': { access: predicting, inside: 400 },
  'GET /api/v1/models': { access: predicting, inside: 200 },
  'GET /api/v1/models/:adaptedId': { access: predicting, inside: 404 },
  'DELETE /api/v1/models/:adaptedId': { access: predicting, inside: 404 },
  'GET /api/v1/workers': { access: reading, inside: 200 },
  'GET /api/v1/events': { access: reading, inside: 200 },
};

function routesServed(): string[] {
  const app: HttpApp = new Hono();
  api({ host: http.host, publicOrigin: undefined, version: '0' }, { gate: openGate } as unknown as ApiDependencies)(
    app,
  );
  const routes = app.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path}`);
  return [...new Set(routes)];
}

function askRoute(address: string, route: string, authorization: string | undefined): Promise<Answer> {
  const [method = '', pattern = ''] = route.split(' ');
  const path = pattern.replace(/:jobId|:adaptedId/, 'unknown').replace(':step', 'latest');
  const headers = {
    'content-type': 'application/json',
    ...(authorization !== undefined && { authorization }),
  };
  // A stream that is let in does not end: its head is enough.
  if (pattern === '/api/v1/events') return ask(address, path, { method: 'HEAD', headers });
  return ask(address, path, { method, headers, ...(method === 'POST' && { body: '{}' }) });
}

test('every HTTP route × no credential, a wrong one, an expired one, each role: as the table says', async (t) => {
  assert.deepEqual(
    routesServed().sort(),
    Object.keys(expected).sort(),
    'every route that is served stands in the table',
  );
  const byRole = roles.map((role) => token(`only-${role}`, [role]));
  const expired = token('expired', roles, Date.now() - 1_000);
  const cluster = await SecuredCluster.start(t, [...byRole, expired], { http });
  const address = cluster.coordinator.http!;
  const [first] = byRole as [TestToken];
  const columns: { readonly name: string; readonly authorization?: string; readonly roles?: readonly Role[] }[] = [
    { name: 'no credential' },
    { name: 'another scheme', authorization: 'Basic YWRtaW46YWRtaW4=' },
    { name: 'an empty token', authorization: 'Bearer ' },
    { name: 'an unknown token', authorization: `Bearer ${newSecret()}` },
    { name: "a token's hash", authorization: `Bearer ${hashOfSecret(first.secret)}` },
    { name: 'an expired token', authorization: bearer(expired).authorization },
    ...byRole.map((of) => ({ name: of.name, authorization: bearer(of).authorization, roles: of.roles })),
  ];
  for (const [route, { access, inside }] of Object.entries(expected)) {
    for (const { name, authorization, roles: has } of columns) {
      const isLetIn = has?.some((role) => access.includes(role)) ?? false;
      const answer = await askRoute(address, route, authorization);
      assert.equal(answer.status, isLetIn ? inside : has ? 403 : 401, `${route} with ${name}: ${answer.body}`);
      if (isLetIn || answer.body.length === 0) continue;
      assert.equal(answer.json().error.code, has ? 'FORBIDDEN' : 'UNAUTHENTICATED', `${route} with ${name}`);
    }
  }
});

test('over HTTP too only its owner and admins control a job, and the list says who may', async (t) => {
  const alice = token('alice', ['submit', 'read']);
  const bob = token('bob', ['submit', 'read']);
  const admin = token('admin', ['admin']);
  const reader = token('reader', ['read']);
  const cluster = await SecuredCluster.start(t, [alice, bob, admin, reader], { http });
  const address = cluster.coordinator.http!;
  const who = (await ask(address, '/api/v1/whoami', { headers: bearer(alice) })).json<WhoAmI>();
  assert.deepEqual(who, { name: 'alice', roles: ['submit', 'read'], asksForTokens: true, version: who.version });
  const { jobId } = (await post(address, '/api/v1/jobs', { spec: specText() }, bearer(alice))).json<{
    jobId: string;
  }>();
  const control = (action: string, as: TestToken) => post(address, `/api/v1/jobs/${jobId}/${action}`, {}, bearer(as));
  for (const action of ['pause', 'resume', 'cancel']) {
    const refusal = await control(action, bob);
    assert.equal(refusal.status, 403);
    assert.match(refusal.json().error.message, /was not submitted by bob; only the one who submitted it/);
  }
  const mayControl = async (as: TestToken) =>
    (await ask(address, `/api/v1/jobs/${jobId}`, { headers: bearer(as) })).json<JobRow>().mayControl;
  assert.deepEqual(await Promise.all([alice, bob, admin, reader].map(mayControl)), [true, false, true, false]);
  assert.equal((await control('pause', alice)).json<JobRow>().state, 'paused');
  assert.equal((await control('resume', admin)).json<JobRow>().state, 'queued');
  assert.equal((await control('cancel', alice)).json<JobRow>().state, 'cancelled');
});

test('a stream over HTTP ends when its token is withdrawn', async (t) => {
  const reader = token('reader', ['read']);
  const cluster = await SecuredCluster.start(t, [reader], { http });
  const stream = await EventStream.open(cluster.coordinator.http!, '/api/v1/events', bearer(reader));
  await stream.next('caught-up');
  cluster.setTokens([]);
  cluster.coordinator.reloadTokens();
  assert.deepEqual((await stream.next('end')).data, {
    error: { code: 'UNAUTHENTICATED', message: 'the token of reader has expired or was withdrawn' },
  });
  await stream.ended;
});

test('without tokens only pages of this machine or of an address are answered, not a rebound name', async (t) => {
  const { http: address } = await TestCluster.start(t, { http });
  const port = address.split(':')[1];
  const withHost = async (host: string) => (await ask(address, '/api/v1/jobs', { headers: { host } })).status;
  for (const host of [`localhost:${port}`, `LOCALHOST:${port}`, address, `[::1]:${port}`, '10.1.2.3', '127.8.8.8:80']) {
    assert.equal(await withHost(host), 200, host);
  }
  const rebound = ['evil.example', `localhost.evil.example:${port}`, '127.0.0.1.nip.io'];
  for (const host of rebound) assert.equal(await withHost(host), 403, host);
  for (const host of [`x@localhost:${port}`, 'a b', 'localhost/x']) assert.equal(await withHost(host), 400, host);
  const refusal = await ask(address, '/api/v1/workers', { headers: { host: 'evil.example' } });
  assert.match(
    refusal.json().error.message,
    /^host: got "evil.example"; accepted by a coordinator that asks for no tokens: localhost/,
  );
});

test('the public origin is a name and an origin of its own, and lets no other in', async (t) => {
  const publicOrigin = 'https://metatrain.example';
  const { http: address } = await TestCluster.start(t, { http: { ...http, publicOrigin } });
  const statusOf = async (headers: Record<string, string>) =>
    (await post(address, '/api/v1/jobs/unknown/pause', {}, headers)).status;
  assert.equal(await statusOf({ host: 'metatrain.example' }), 404);
  assert.equal(await statusOf({ host: 'metatrain.example', origin: publicOrigin }), 404);
  assert.equal(await statusOf({ origin: publicOrigin }), 404, "a proxy's own Host header");
  for (const origin of ['http://metatrain.example', 'https://metatrain.example:8443', 'https://evil.example']) {
    assert.equal(await statusOf({ origin }), 403, origin);
  }
  assert.equal(await statusOf({ host: 'evil.example', origin: publicOrigin }), 403);
});

test('with tokens every name is good, since another page has no token', async (t) => {
  const reader = token('reader', ['read']);
  const { coordinator } = await SecuredCluster.start(t, [reader], { http });
  const headers = { host: 'metatrain.example', ...bearer(reader) };
  assert.equal((await ask(coordinator.http!, '/api/v1/jobs', { headers })).status, 200);
});

test('a page of another origin cannot post, with any type of body', async (t) => {
  const cluster = await TestCluster.start(t, { http });
  const { http: address } = cluster;
  const body = JSON.stringify({ spec: specText() });
  const submit = (headers: Record<string, string>) => ask(address, '/api/v1/jobs', { method: 'POST', headers, body });
  // What a form or a fetch without preflight can send.
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/json',
  ]) {
    const refusal = await submit({ 'content-type': type });
    assert.equal(refusal.status, 400);
    assert.match(refusal.json().error.message, /^content-type: got .*; accepted: application\/json$/);
  }
  assert.equal((await submit({})).status, 400);
  const json = { 'content-type': 'application/json' };
  for (const origin of ['http://evil.example', 'null', `http://localhost:${address.split(':')[1]}`]) {
    assert.equal((await submit({ ...json, origin })).status, 403, origin);
  }
  const preflight = await ask(address, '/api/v1/jobs', {
    method: 'OPTIONS',
    headers: { origin: 'http://evil.example', 'access-control-request-method': 'POST' },
  });
  assert.equal(preflight.headers['access-control-allow-origin'], undefined);
  assert.deepEqual((await ask(address, '/api/v1/jobs')).json<{ jobs: JobRow[] }>().jobs, []);
  assert.equal((await submit({ ...json, origin: `http://${address}` })).status, 200);
});
