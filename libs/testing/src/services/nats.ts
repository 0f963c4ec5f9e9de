import { freePort } from './free-port.js';
import { probeGreeting, type Service, ServiceProcess, temporaryFolder } from './service-process.js';

export interface NatsOptions {
  /** Insists on this token when given. */
  readonly token?: string;
}

/** A nats-server of its own; the URL carries no credentials. */
export async function startNats(options: NatsOptions = {}): Promise<Service> {
  const port = await freePort();
  return ServiceProcess.start({
    name: 'nats-server',
    port,
    url: `nats://127.0.0.1:${port}`,
    folder: await temporaryFolder('nats'),
    command: 'nats-server',
    args: ['--addr', '127.0.0.1', '--port', String(port), ...(options.token ? ['--auth', options.token] : [])],
    probe: () => probeGreeting(port),
  });
}
