import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { freePort } from './free-port.js';
import { probeHttp, type Service, ServiceProcess, temporaryFolder } from './service-process.js';

export interface WampOptions {
  /** With a ticket only the principal `millrace` with that ticket may join; without, anybody may. */
  readonly ticket?: string;
}

/** Both routers of the tests: this realm, this path, everything allowed below this URI and nothing elsewhere. */
const REALM = 'realm1';
const PATH = '/ws';
const URI_PREFIX = 'org.millrace.';

/** The embedded router (`libs/wamp-router`) as a process of its own. */
export async function startEmbeddedRouter(options: WampOptions = {}): Promise<Service> {
  const port = await freePort();
  const main = join(dirname(createRequire(import.meta.url).resolve('@millrace/wamp-router')), 'main.js');
  return ServiceProcess.start({
    name: 'embedded router',
    port,
    url: `ws://127.0.0.1:${port}${PATH}`,
    folder: await temporaryFolder('router'),
    command: process.execPath,
    args: [main],
    env: {
      NODE_OPTIONS: '',
      MILLRACE_ROUTER_HOST: '127.0.0.1',
      MILLRACE_ROUTER_PORT: String(port),
      MILLRACE_ROUTER_REALM: REALM,
      MILLRACE_ROUTER_TICKET: options.ticket ?? '',
    },
    probe: () => probeHttp(`http://127.0.0.1:${port}${PATH}`),
  });
}

/** crossbar.io from the virtual environment that `npm run provision` makes. */
export async function startCrossbar(options: WampOptions = {}): Promise<Service> {
  const port = await freePort();
  const folder = await temporaryFolder('crossbar');
  await writeFile(join(folder, 'config.json'), JSON.stringify(crossbarConfig(port, options.ticket), null, 2));
  return ServiceProcess.start({
    name: 'crossbar',
    port,
    url: `ws://127.0.0.1:${port}${PATH}`,
    folder,
    command: join(crossbarFolder(), 'bin', 'crossbar'),
    args: ['start', '--cbdir', folder, '--color', 'false', '--loglevel', 'warn'],
    probe: () => probeHttp(`http://127.0.0.1:${port}${PATH}`),
  });
}

function crossbarConfig(port: number, ticket: string | undefined): object {
  const allow = { call: true, register: true, publish: true, subscribe: true };
  const role = {
    name: 'master',
    permissions: [
      { uri: URI_PREFIX, match: 'prefix', allow, disclose: { caller: false, publisher: false }, cache: true },
    ],
  };
  const auth =
    ticket === undefined
      ? { anonymous: { type: 'static', role: 'master' } }
      : { ticket: { type: 'static', principals: { millrace: { ticket, role: 'master' } } } };
  const transport = {
    type: 'web',
    endpoint: { type: 'tcp', interface: '127.0.0.1', port },
    paths: { '/': { type: 'json', value: {} }, ws: { type: 'websocket', serializers: ['json'], auth } },
  };
  return {
    $schema: 'https://raw.githubusercontent.com/crossbario/crossbar/master/crossbar.json',
    version: 2,
    controller: {},
    workers: [{ type: 'router', realms: [{ name: REALM, roles: [role] }], transports: [transport] }],
  };
}

/** `.services/crossbar` beside the workspace's package-lock.json. */
export function crossbarFolder(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package-lock.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return join(folder, '.services', 'crossbar');
}
