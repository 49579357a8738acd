import assert from 'node:assert/strict';
import test from 'node:test';
import { hostOf } from '../../../shared/address.ts';
import { connectionTo } from '../../../shared/connection.ts';
import { isLoopback } from '../../../shared/loopback.ts';
import { newSecret } from '../../../shared/tokens.ts';

test('loopback is 127.0.0.0/8, ::1 in any spelling, and localhost; no other name and no other address', () => {
  for (const host of ['127.0.0.1', '127.8.9.1', '::1', '[::1]', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', 'LOCALHOST']) {
    assert.equal(isLoopback(host), true, host);
  }
  for (const host of [
    ...['0.0.0.0', '::', '[::]', '128.0.0.1', '10.0.0.1', '::ffff:10.0.0.1', 'fe80::1', '::2', ''],
    ...['localhost.example', 'metatrain', '127.0.0.1.example', '127.1', '0177.0.0.1', '2130706433'],
  ]) {
    assert.equal(isLoopback(host), false, host);
  }
  assert.equal(hostOf('[::1]:7420'), '::1');
  assert.equal(hostOf('cluster.example:7420'), 'cluster.example');
});

test('an address that is not HOST:PORT is refused before anything is connected, with what is accepted', () => {
  for (const address of [
    'localhost',
    '',
    ':7420',
    '127.0.0.1:',
    '127.0.0.1:99999',
    '::1:7420',
    'localhost:0',
    'http://a:7420',
    'a b:1',
  ]) {
    assert.throws(() => connectionTo(address), { code: 'REQUEST_INVALID', message: /accepted: HOST:PORT/ }, address);
  }
  for (const address of ['localhost:7420', '[::1]:1', 'cluster.example:65535']) connectionTo(address);
});

test('a token is sent unencrypted only to this machine, or with --insecure', () => {
  const token = newSecret();
  for (const address of ['10.0.0.7:7420', 'cluster.example:7420', '[2001:db8::1]:7420']) {
    assert.throws(() => connectionTo(address, { token }), {
      code: 'REQUEST_INVALID',
      message: /would travel to .* unencrypted/,
    });
    assert.equal(connectionTo(address, { token, insecure: true }).interceptors.length, 1);
    assert.equal(connectionTo(address, { token, tlsCa: 'system' }).credentials._isSecure(), true);
    assert.equal(connectionTo(address).interceptors.length, 0);
  }
  assert.equal(connectionTo('127.0.0.1:7420', { token }).interceptors.length, 1);
});

test('a channel to loopback is told to use no proxy, and TLS to an address sends no address as its name', () => {
  const optionsOf = (address: string, tlsCa?: string) => connectionTo(address, { tlsCa }).channelOptions;
  assert.equal(optionsOf('127.0.0.1:7420')['grpc.enable_http_proxy'], 0);
  assert.equal(optionsOf('10.0.0.7:7420', 'system')['grpc.ssl_target_name_override'], 'address.invalid');
  assert.equal(optionsOf('cluster.example:7420', 'system')['grpc.ssl_target_name_override'], undefined);
  assert.equal(optionsOf('10.0.0.7:7420')['grpc.ssl_target_name_override'], undefined);
});
