import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from './free-port.js';
import { probeGreeting, type Service, ServiceProcess, temporaryFolder } from './service-process.js';
import { replaced, shippedFile } from './shipped.js';

export interface NatsOptions {
  /** The password of the user `millrace`. When it is given, the URL does not have it. Default: a random one, which the URL has. */
  readonly password?: string;
  /** Requires this token, which the URL does not have, instead of a user and a password. */
  readonly token?: string;
}

/** Starts a nats-server with the shipped configuration (`deploy/nats.conf`) on another port. */
export async function startNats(options: NatsOptions = {}): Promise<Service> {
  const port = await freePort();
  const folder = await temporaryFolder('nats');
  const file = join(folder, 'nats.conf');
  const shipped = replaced(shippedFile('nats.conf'), /^port: 4222$/m, `host: 127.0.0.1\nport: ${port}`);
  const { token } = options;
  const config =
    token === undefined
      ? shipped
      : replaced(shipped, /^authorization \{\n[^]*^\}$/m, `authorization: { token: ${JSON.stringify(token)} }`);
  await writeFile(file, config);
  // Begins with a letter, because a text that begins with a digit could be read as a number.
  const password = options.password ?? `p${randomBytes(16).toString('hex')}`;
  return ServiceProcess.start({
    name: 'nats-server',
    port,
    url: `nats://${options.password === undefined && token === undefined ? `millrace:${password}@` : ''}127.0.0.1:${port}`,
    folder,
    command: 'nats-server',
    args: ['-c', file],
    env: { MILLRACE_BUS_TICKET: password },
    probe: () => probeGreeting(port),
  });
}
