// An operator, an account with JetStream and a user, as `nsc` makes them: the server's
// configuration and the user's credentials file. Signed with keys of the NATS client library.
import { nkeys } from 'nats';

type KeyPair = ReturnType<typeof nkeys.createUser>;

export interface Accounts {
  /** Lines of the server's configuration. */
  readonly config: string;
  /** Content of a `.creds` file. */
  readonly credentials: string;
}

export function makeAccounts(): Accounts {
  const [operator, account, user] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createUser()];
  const system = nkeys.createAccount();
  const unlimited = Object.fromEntries(
    [
      'subs',
      'data',
      'payload',
      'imports',
      'exports',
      'conn',
      'leaf',
      'mem_storage',
      'disk_storage',
      'streams',
      'consumer',
    ].map((name) => [name, -1]),
  );
  const operatorJwt = sign(operator, operator, 'operator', {});
  const systemJwt = sign(operator, system, 'account', { limits: { ...unlimited, disk_storage: 0, mem_storage: 0 } });
  const accountJwt = sign(operator, account, 'account', { limits: { ...unlimited, wildcards: true } });
  const userJwt = sign(account, user, 'user', { pub: {}, sub: {}, subs: -1, data: -1, payload: -1 });
  return {
    config: [
      `operator: ${operatorJwt}`,
      `system_account: ${system.getPublicKey()}`,
      'resolver: MEMORY',
      `resolver_preload: { ${account.getPublicKey()}: ${accountJwt}, ${system.getPublicKey()}: ${systemJwt} }`,
    ].join('\n'),
    credentials: [
      '-----BEGIN NATS USER JWT-----',
      userJwt,
      '------END NATS USER JWT------',
      '',
      '-----BEGIN USER NKEY SEED-----',
      new TextDecoder().decode(user.getSeed()),
      '------END USER NKEY SEED------',
      '',
    ].join('\n'),
  };
}

function sign(issuer: KeyPair, subject: KeyPair, type: string, claims: object): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const [iss, sub] = [issuer.getPublicKey(), subject.getPublicKey()];
  const payload = { jti: sub, iat: 1_700_000_000, iss, sub, name: type, nats: { ...claims, type, version: 2 } };
  const text = `${encode({ typ: 'JWT', alg: 'ed25519-nkey' })}.${encode(payload)}`;
  return `${text}.${Buffer.from(issuer.sign(Buffer.from(text))).toString('base64url')}`;
}
