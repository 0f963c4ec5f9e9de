import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort } from './free-port.js';
import { type Service, ServiceProcess, temporaryFolder } from './service-process.js';
import { replaced, shippedFile } from './shipped.js';

export interface HaproxyOptions {
  /** Ports on 127.0.0.1 to which connections are passed, each beginning with a PROXY header (v2). */
  readonly backendPorts: readonly number[];
  /** The source address of these connections. */
  readonly source?: string;
}

/**
 * Starts HAProxy in front of workers' ports, with the section for workers of the shipped configuration (`deploy/haproxy.cfg`). Its servers
 * are replaced, and their health is not checked, because a test's backend need not be a whole engine.
 */
export async function startHaproxy({ backendPorts, source = '127.0.0.1' }: HaproxyOptions): Promise<Service> {
  const port = await freePort();
  const folder = await temporaryFolder('haproxy');
  const file = join(folder, 'haproxy.cfg');
  const servers = (section: string): string => {
    const [shipped = ''] = /^ {2}server .*$/m.exec(section) ?? [];
    const lines = backendPorts.map((backend, i) => {
      const named = replaced(shipped, /server \S+ \S+/, `server s${i} 127.0.0.1:${backend} source ${source}`);
      return replaced(named, / check port \d+/, '');
    });
    return replaced(section, /(?:^ {2}server .*\n?)+/m, `${lines.join('\n')}\n`);
  };
  const workersOnly = replaced(shippedFile('haproxy.cfg'), /^listen (?!workers).*\n(?: .*\n)+/gm, '');
  writeFileSync(file, replaced(workersOnly, /^listen workers\n(?: .*\n)+/m, servers));
  return ServiceProcess.start({
    name: 'haproxy',
    port,
    url: `tcp://127.0.0.1:${port}`,
    folder,
    command: 'haproxy',
    args: ['-db', '-f', file],
    env: { BIND_WORKERS: `127.0.0.1:${port}` },
    probe: async () => {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      socket.destroy();
    },
  });
}
