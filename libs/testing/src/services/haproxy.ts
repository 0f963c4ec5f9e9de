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
  writeFileSync(file, onlySection('workers', servers));
  return started({ port, folder, file, url: `tcp://127.0.0.1:${port}`, bind: 'BIND_WORKERS' });
}

export interface UiProxyOptions {
  readonly port: number;
  /** The UI's port on 127.0.0.1. */
  readonly backendPort: number;
  /** The source address of its connections. */
  readonly source: string;
  /** The header in which it says who somebody is. Clients cannot send it. */
  readonly userHeader: string;
  /** Passwords by user names, for basic logins. */
  readonly people: Readonly<Record<string, string>>;
}

/** Starts HAProxy in front of a UI, with the section for it of the shipped configuration and a login of its own. */
export async function startUiProxy(options: UiProxyOptions): Promise<Service> {
  const { port, backendPort, source, userHeader, people } = options;
  const folder = await temporaryFolder('haproxy');
  const file = join(folder, 'haproxy.cfg');
  const users = Object.entries(people).map(([name, password]) => `  user ${name} insecure-password ${password}\n`);
  const login = [
    `  http-request del-header ${userHeader}`,
    `  http-request set-header ${userHeader} %[http_auth_user] if { http_auth(people) }`,
    `  server ui 127.0.0.1:${backendPort} source ${source}\n`,
  ].join('\n');
  const section = onlySection('ui', (shipped) => replaced(shipped, /(?:^ {2}server .*\n?)+/m, login));
  writeFileSync(file, `${section}\nuserlist people\n${users.join('')}`);
  return started({ port, folder, file, url: `http://127.0.0.1:${port}`, bind: 'BIND_UI' });
}

/** Returns the shipped configuration with one section only, changed. */
function onlySection(name: string, change: (section: string) => string): string {
  const only = replaced(shippedFile('haproxy.cfg'), new RegExp(`^listen (?!${name}).*\\n(?: .*\\n)+`, 'gm'), '');
  return replaced(only, new RegExp(`^listen ${name}\\n(?: .*\\n)+`, 'm'), change);
}

function started({
  port,
  folder,
  file,
  url,
  bind,
}: {
  readonly port: number;
  readonly folder: string;
  readonly file: string;
  readonly url: string;
  /** The variable with the address to listen on. */
  readonly bind: string;
}): Promise<Service> {
  return ServiceProcess.start({
    name: 'haproxy',
    ...{ port, url, folder },
    command: 'haproxy',
    args: ['-db', '-f', file],
    env: { [bind]: `127.0.0.1:${port}` },
    probe: async () => {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      socket.destroy();
    },
  });
}
