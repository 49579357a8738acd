// A coordinator that asks for tokens, with a tokens file that the test writes; its clients and null workers, all closed when the test ends.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Coordinator, type CoordinatorDependencies, startCoordinator } from '../../../coordinator/main.ts';
import type { CoordinatorOptions } from '../../../coordinator/options.ts';
import { type Connection, connectionTo } from '../../../shared/connection.ts';
import { hashOfSecret, newSecret, type Role, tokenLine } from '../../../shared/tokens.ts';
import { channelOptions, JobService } from '../../../shared/wire.ts';
import { NullWorker, type NullWorkerOptions } from '../coordinator/null-worker.ts';

export interface TestToken {
  readonly name: string;
  readonly roles: readonly Role[];
  readonly secret: string;
  readonly expiresAt?: number;
}

export const token = (name: string, roles: readonly Role[], expiresAt?: number): TestToken => ({
  name,
  roles,
  secret: newSecret(),
  ...(expiresAt === undefined ? {} : { expiresAt }),
});

export class SecuredCluster {
  readonly directory: string;
  readonly tokensFile: string;
  readonly coordinator: Coordinator;
  readonly #test: TestContext;

  private constructor(test: TestContext, directory: string, tokensFile: string, coordinator: Coordinator) {
    this.#test = test;
    this.directory = directory;
    this.tokensFile = tokensFile;
    this.coordinator = coordinator;
    test.after(() => coordinator.close());
  }

  static async start(
    test: TestContext,
    tokens: readonly TestToken[],
    options: Partial<CoordinatorOptions> = {},
    dependencies: CoordinatorDependencies = {},
  ): Promise<SecuredCluster> {
    const directory = mkdtempSync(join(tmpdir(), 'metatrain-security-'));
    test.after(() => rmSync(directory, { recursive: true, force: true }));
    const tokensFile = join(directory, 'tokens.jsonl');
    writeTokens(tokensFile, tokens);
    const coordinator = await startCoordinator(
      {
        stateDirectory: join(directory, 'state'),
        host: '127.0.0.1',
        port: 0,
        ...options,
        security: { tokensFile, ...options.security },
        limits: { closeGraceMs: 500, ...options.limits },
      },
      dependencies,
    );
    return new SecuredCluster(test, directory, tokensFile, coordinator);
  }

  get address(): string {
    return this.coordinator.address;
  }

  connection(of?: TestToken): Connection {
    return connectionTo(this.address, of === undefined ? {} : { token: of.secret });
  }

  jobs(of?: TestToken): InstanceType<typeof JobService> {
    const { credentials, interceptors } = this.connection(of);
    const client = new JobService(this.address, credentials, { ...channelOptions, interceptors });
    this.#test.after(() => client.close());
    return client;
  }

  /** Resolves when it is welcome, or refused. */
  async worker(workerId: string, of: TestToken, options: Partial<NullWorkerOptions> = {}): Promise<NullWorker> {
    const worker = new NullWorker({ address: this.address, workerId, connection: this.connection(of), ...options });
    this.#test.after(() => worker.kill());
    await Promise.race([worker.welcome(), worker.ended]);
    return worker;
  }

  /** Replaces the tokens file, as an editor or Kubernetes does; the coordinator is not told. */
  setTokens(tokens: readonly TestToken[]): void {
    writeTokens(this.tokensFile, tokens);
  }
}

export function writeTokens(file: string, tokens: readonly TestToken[]): void {
  const lines = tokens.map(({ secret, expiresAt, ...entry }) =>
    tokenLine({ ...entry, sha256: hashOfSecret(secret), expiresAt }),
  );
  writeFileSync(`${file}.new`, lines.map((line) => `${line}\n`).join(''));
  renameSync(`${file}.new`, file);
}
