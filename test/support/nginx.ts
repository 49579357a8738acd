// Debian's nginx in front of a coordinator, with its defaults except for what a test adds: one port
// for gRPC, one for HTTP at the root and under /mt/. Can be stopped and started again on its ports.
// Everything is removed when the test ends.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { freePorts } from './free-ports.ts';
import { pathOf } from './needs.ts';

export interface NginxOptions {
  /** HOST:PORT of the coordinator. */
  readonly grpc: string;
  /** HOST:PORT of its console. */
  readonly http: string;
  /** Directives for the gRPC port. Default: none. */
  readonly grpcDirectives?: readonly string[];
}

/** nginx logs this when its workers are about to run. */
const ready = /start worker processes/;

export class Nginx {
  /** HOST:PORT for gRPC through nginx. */
  readonly grpc: string;
  /** HOST:PORT for HTTP through nginx. */
  readonly http: string;
  readonly #directory: string;
  #process: ChildProcess | undefined;

  private constructor(options: NginxOptions, [grpcPort, httpPort]: readonly number[]) {
    this.grpc = `127.0.0.1:${grpcPort}`;
    this.http = `127.0.0.1:${httpPort}`;
    this.#directory = mkdtempSync(join(tmpdir(), 'metatrain-nginx-'));
    writeFileSync(join(this.#directory, 'nginx.conf'), configuration(this, options));
  }

  static async start(test: TestContext, options: NginxOptions): Promise<Nginx> {
    const nginx = new Nginx(options, await freePorts(2));
    test.after(async () => {
      await nginx.stop();
      rmSync(nginx.#directory, { recursive: true, force: true });
    });
    await nginx.start();
    return nginx;
  }

  async start(): Promise<void> {
    const flags = ['-p', this.#directory, '-c', 'nginx.conf', '-e', 'stderr'];
    const child = spawn(pathOf('nginx'), flags, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#process = child;
    let log = '';
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error(`nginx ended: ${log}`)));
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        log += text;
        if (ready.test(log)) resolve();
      });
    });
  }

  /** Stops at once and breaks open connections. May be called twice. */
  async stop(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
}

const configuration = (at: Pick<Nginx, 'grpc' | 'http'>, { grpc, http, grpcDirectives = [] }: NginxOptions): string => `
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr notice;
events {}
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${name};`).join('\n  ')}
  server {
    listen ${at.grpc} http2;
    ${grpcDirectives.map((directive) => `${directive};`).join('\n    ')}
    location / { grpc_pass grpc://${grpc}; }
  }
  server {
    listen ${at.http};
    location / { proxy_pass http://${http}; }
    location /mt/ { proxy_pass http://${http}/; }
  }
}
`;
