import assert from 'node:assert/strict';
import test from 'node:test';
import { proxyTo } from '../../../shared/proxy.ts';

const proxy = 'http://user:secret@proxy.example:3128';

test('loopback is never reached through a proxy, whatever the environment says', () => {
  for (const address of ['127.0.0.1:7420', '127.9.9.9:1', '[::1]:7420', 'localhost:7420', 'LOCALHOST:7420']) {
    assert.equal(proxyTo(address, { http_proxy: proxy, https_proxy: proxy, grpc_proxy: proxy }), undefined, address);
  }
});

test('the first variable that is set names the proxy, without its user and password', () => {
  const address = 'cluster.example:7420';
  assert.deepEqual(proxyTo(address, { http_proxy: proxy }), { address: 'proxy.example:3128', variable: 'http_proxy' });
  assert.deepEqual(proxyTo(address, { http_proxy: proxy, https_proxy: 'http://other' }), {
    address: 'other:80',
    variable: 'https_proxy',
  });
  assert.equal(proxyTo(address, { grpc_proxy: proxy, https_proxy: 'http://other' })?.variable, 'grpc_proxy');
  assert.equal(proxyTo(address, {}), undefined);
  for (const useless of ['no url', 'socks5://proxy.example:1080', 'https://proxy.example:3128', '']) {
    assert.equal(proxyTo(address, { http_proxy: useless }), undefined, useless);
  }
});

test('no_proxy and NO_PROXY name hosts, ends of host names, addresses, ranges of them, or everything', () => {
  const isDirect = (host: string, list: string) =>
    ['no_grpc_proxy', 'no_proxy', 'NO_PROXY'].map((name) => {
      return proxyTo(`${host}:7420`, { http_proxy: proxy, [name]: list }) === undefined;
    });
  for (const [host, list] of [
    ['cluster.example', 'cluster.example'],
    ['cluster.example', 'other, CLUSTER.example'],
    ['CLUSTER.example', '.example'],
    ['cluster.example', '*.example'],
    ['cluster.example', '*'],
    ['10.1.2.3', '10.1.2.3'],
    ['10.1.2.3', '10.0.0.0/8'],
    ['[2001:db8::1]', '2001:db8::/32'],
  ] as const) {
    assert.deepEqual(isDirect(host, list), [true, true, true], `${host} and ${list}`);
  }
  for (const [host, list] of [
    ['cluster.example', 'cluster.other'],
    ['cluster.example', ''],
    ['cluster.example', ','],
    ['11.1.2.3', '10.0.0.0/8'],
    ['cluster.example', '10.0.0.0/8'],
    ['10.1.2.3', '10.0.0.0/99'],
    ['[2001:db9::1]', '2001:db8::/32'],
  ] as const) {
    assert.deepEqual(isDirect(host, list), [false, false, false], `${host} and ${list}`);
  }
});
