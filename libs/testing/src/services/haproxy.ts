import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:net';
import { once } from 'node:events';
import { freePort } from './free-port.js';
import { type Service, ServiceProcess, temporaryFolder } from './service-process.js';

export interface HaproxyOptions {
  /** Where connections go, on 127.0.0.1, each beginning with a PROXY header (v2). */
  readonly backendPorts: readonly number[];
  /** The address that they come from, as seen there. */
  readonly source?: string;
}

/** HAProxy as a TCP balancer. */
export async function startHaproxy({ backendPorts, source = '127.0.0.1' }: HaproxyOptions): Promise<Service> {
  const port = await freePort();
  const folder = await temporaryFolder('haproxy');
  const servers = backendPorts.map(
    (backend, i) => `  server s${i} 127.0.0.1:${backend} source ${source} send-proxy-v2`,
  );
  writeFileSync(
    join(folder, 'haproxy.cfg'),
    [
      'defaults',
      '  mode tcp',
      '  timeout connect 5s',
      '  timeout client 1h',
      '  timeout server 1h',
      'listen workers',
      `  bind 127.0.0.1:${port}`,
      ...servers,
      '',
    ].join('\n'),
  );
  return ServiceProcess.start({
    name: 'haproxy',
    port,
    url: `tcp://127.0.0.1:${port}`,
    folder,
    command: 'haproxy',
    args: ['-db', '-f', join(folder, 'haproxy.cfg')],
    probe: async () => {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      socket.destroy();
    },
  });
}
