// `metatrain certs`: writes development certificates to files for the flags of coordinator, worker
// and client. Later runs keep the authority, so existing trust stays valid.
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { realClock } from '../../shared/clock.ts';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import { randomId } from '../../shared/rng.ts';
import type { CertificateAndKey } from '../certificates.ts';
import type { CommandContext } from './context.ts';
import { addExamples } from './help.ts';
import { jsonOption, wholeNumber } from './options.ts';

interface CertsOptions {
  readonly out: string;
  readonly host: readonly string[];
  readonly days: number;
  readonly json?: true;
}

const dayMs = 86_400_000;
const hourMs = 3_600_000;
const authorityDays = 3_650;

export function certsCommand({ terminal }: CommandContext): Command {
  const command = new Command('certs')
    .description('make a development authority, and certificates for the coordinator and for its clients and workers')
    .requiredOption('--out <dir>', 'folder for the files; an existing authority in it is used again')
    .addOption(
      new Option('--host <name...>', 'host names and addresses of the coordinator')
        .default(['localhost', '127.0.0.1', '::1'], 'localhost, 127.0.0.1, ::1')
        .argParser(collectHosts()),
    )
    .addOption(
      new Option('--days <count>', 'for how many days the certificates are valid')
        .default(365)
        .argParser(wholeNumber(1, 3_650)),
    )
    .addOption(jsonOption())
    .action(async ({ out, host, days, json }: CertsOptions) => {
      const files = await makeCertificates(out, host, days);
      if (json) terminal.printJson(files);
      else terminal.print(usage(files, host));
    });
  return addExamples(command, [
    ['metatrain certs --out certs', 'for this machine'],
    ['metatrain certs --out certs --host coordinator.example 10.0.0.7', 'for others'],
  ]);
}

interface CertificateFiles {
  readonly ca: string;
  readonly coordinatorCert: string;
  readonly coordinatorKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

async function makeCertificates(directory: string, hosts: readonly string[], days: number): Promise<CertificateFiles> {
  // Imported only here, because loading takes time.
  const { makeAuthority, certifyServer, certifyClient } = await import('../certificates.ts');
  const file = (name: string) => join(directory, name);
  const now = realClock.now();
  // One hour earlier, for clocks that differ.
  const lasting = (count: number) => ({ notBefore: new Date(now - hourMs), notAfter: new Date(now + count * dayMs) });
  try {
    await mkdir(directory, { recursive: true });
    let authority: CertificateAndKey;
    if (existsSync(file('ca.pem')) && existsSync(file('ca-key.pem'))) {
      authority = {
        certificate: await readFile(file('ca.pem'), 'utf8'),
        key: await readFile(file('ca-key.pem'), 'utf8'),
      };
    } else {
      authority = await makeAuthority('metatrain development authority', lasting(authorityDays));
      await write(file('ca-key.pem'), authority.key, 0o600);
      await write(file('ca.pem'), authority.certificate, 0o644);
    }
    for (const [name, made] of [
      ['coordinator', await certifyServer(authority, hosts, lasting(days))],
      ['client', await certifyClient(authority, lasting(days))],
    ] as const) {
      await write(file(`${name}-key.pem`), made.key, 0o600);
      await write(file(`${name}.pem`), made.certificate, 0o644);
    }
  } catch (cause) {
    const message = `cannot make certificates in ${directory}: ${asMetatrainError(cause).message}`;
    throw new MetatrainError('REQUEST_INVALID', message, { cause });
  }
  return {
    ca: file('ca.pem'),
    coordinatorCert: file('coordinator.pem'),
    coordinatorKey: file('coordinator-key.pem'),
    clientCert: file('client.pem'),
    clientKey: file('client-key.pem'),
  };
}

/**
 * Writes a second file and renames it, so that a key is never in a file that others may read, even
 * if that file existed before.
 */
async function write(file: string, text: string, mode: number): Promise<void> {
  const aside = `${file}.${randomId(4)}.part`;
  const handle = await open(aside, 'wx', mode);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(aside, file);
}

/** The first given name replaces the defaults. */
function collectHosts(): (text: string, earlier: readonly string[]) => readonly string[] {
  let isFirst = true;
  return (text, earlier) => {
    if (!isIP(text) && !/^(\*\.)?[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9-]{1,63})*$/.test(text)) {
      throw new InvalidArgumentError('it must be a DNS name or an IP address, without a port');
    }
    const hosts = isFirst ? [text] : [...earlier, text];
    isFirst = false;
    return hosts;
  };
}

const usage = (files: CertificateFiles, hosts: readonly string[]): string =>
  [
    `coordinator for ${hosts.join(', ')}:`,
    `  metatrain coordinator --tls-cert ${files.coordinatorCert} --tls-key ${files.coordinatorKey} --tls-client-ca ${files.ca} …`,
    'workers and clients:',
    `  --tls-ca ${files.ca} --tls-cert ${files.clientCert} --tls-key ${files.clientKey}`,
    'Anyone with ca-key.pem can make trusted certificates: keep it where only you can read it.',
  ].join('\n');
