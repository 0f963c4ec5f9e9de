import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { freePort } from './free-port.js';
import { probeHttp, type Service, ServiceProcess, temporaryFolder } from './service-process.js';
import { shippedFile, workspaceFolder } from './shipped.js';

export interface WampOptions {
  /** With a ticket only the principal `millrace` with that ticket may join. Without one anybody may. */
  readonly ticket?: string;
}

/** Realm of both routers. */
const REALM = 'realm1';
const PATH = '/ws';

/** Starts the embedded router (`libs/wamp-router`) as a process of its own. */
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
      ...(options.ticket === undefined
        ? { MILLRACE_ROUTER_ANONYMOUS: '1' }
        : { MILLRACE_ROUTER_TICKET: options.ticket }),
    },
    probe: () => probeHttp(`http://127.0.0.1:${port}${PATH}`),
  });
}

/**
 * Starts crossbar.io from the virtual environment that `npm run provision` makes, with the shipped configuration (`deploy/crossbar`) on
 * another port.
 */
export async function startCrossbar({ ticket }: WampOptions = {}): Promise<Service> {
  const port = await freePort();
  const folder = await temporaryFolder('crossbar');
  const config = JSON.parse(shippedFile('crossbar/config.json')) as CrossbarConfig;
  const [transport] = config.workers[0].transports;
  transport.endpoint = { ...transport.endpoint, interface: '127.0.0.1', port };
  if (ticket === undefined) transport.paths.ws.auth = { anonymous: { type: 'static', role: 'master' } };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config, null, 2));
  return ServiceProcess.start({
    name: 'crossbar',
    port,
    url: `ws://127.0.0.1:${port}${PATH}`,
    folder,
    command: join(crossbarFolder(), 'bin', 'crossbar'),
    args: ['start', '--cbdir', folder, '--color', 'false', '--loglevel', 'warn'],
    env: { MILLRACE_BUS_TICKET: ticket ?? '' },
    probe: () => probeHttp(`http://127.0.0.1:${port}${PATH}`),
  });
}

/** The parts of the configuration that tests change. */
interface CrossbarConfig {
  readonly workers: readonly [
    { readonly transports: readonly [{ endpoint: object; readonly paths: { readonly ws: { auth: object } } }] },
  ];
}

/** Returns `.services/crossbar` beside the workspace's package-lock.json. */
export function crossbarFolder(): string {
  return join(workspaceFolder(), '.services', 'crossbar');
}
