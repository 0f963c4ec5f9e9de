import { createServer } from 'node:net';
import { UserError } from '@millrace/domain';

const LOOPBACK = '127.0.0.1';

/** Every port of `millrace start`, with the settings for its number and its address. */
export const PORTS = {
  ui: { setting: 'MILLRACE_UI_PORT', port: 8010, host: 'MILLRACE_HTTP_HOST' },
  scheduler: { setting: 'MILLRACE_SCHEDULER_PORT', port: 8011, host: null },
  engine: { setting: 'MILLRACE_ENGINE_PORT', port: 8012, host: null },
  router: { setting: 'MILLRACE_ROUTER_PORT', port: 8013, host: null },
  trigger: { setting: 'MILLRACE_TRIGGER_PORT', port: 8020, host: 'MILLRACE_TRIGGER_HOST' },
  workers: { setting: 'MILLRACE_WORKER_PORT', port: 9989, host: 'MILLRACE_WORKER_HOST' },
} as const;
export type PortName = keyof typeof PORTS;

/**
 * Reads the port numbers.
 * @throws UserError `bad-settings`
 */
export function readPorts(env: NodeJS.ProcessEnv): Record<PortName, number> {
  const entries = Object.entries(PORTS).map(([name, { setting, port }]) => {
    const value = Number(env[setting] || port);
    if (Number.isInteger(value) && value > 0 && value < 65536) return [name, value];
    throw new UserError('bad-settings', `${setting} is '${env[setting]}': expected a port from 1 to 65535`, {
      setting,
    });
  });
  return Object.fromEntries(entries) as Record<PortName, number>;
}

/** Returns the address that a port listens on. */
export function hostOf(name: PortName, env: NodeJS.ProcessEnv): string {
  const { host } = PORTS[name];
  return (host && env[host]) || LOOPBACK;
}

/** Returns `host:port` under which this machine reaches a port, also when it listens on every address. */
export function reachableAt(name: PortName, port: number, env: NodeJS.ProcessEnv): string {
  const listens = hostOf(name, env);
  const host = listens === '0.0.0.0' ? LOOPBACK : listens === '::' ? '::1' : listens;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/**
 * Checks that every port can be opened.
 * @throws UserError `port-taken` naming every port that cannot, and its setting
 */
export async function checkPorts(
  ports: Readonly<Partial<Record<PortName, number>>>,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const problems: string[] = [];
  for (const [name, port] of Object.entries(ports) as [PortName, number][]) {
    const host = hostOf(name, env);
    const code = await listenFailure(port, host);
    if (code !== null) problems.push(portProblem(name, port, host, code));
  }
  if (problems.length > 0) throw new UserError('port-taken', problems.join('\n'));
}

export function portProblem(name: PortName, port: number, host: string, code: string): string {
  const { setting, host: hostSetting } = PORTS[name];
  if (code === 'EADDRINUSE') return `port ${port} is taken: stop what uses it, or set ${setting} to another port`;
  if (code === 'EACCES')
    return `port ${port} is not for this user: set ${setting} to another port, such as one above 1023`;
  return `port ${port} of ${host} cannot be listened on (${code}): set ${hostSetting ?? setting} to what this machine has`;
}

/** Tries to listen on a port. Returns the error code, or null when the port is free. */
function listenFailure(port: number, host: string): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, host, () => server.close(() => resolve(null)));
  });
}
