import { createServer } from 'node:net';
import { UserError } from '@millrace/domain';

/** Every port of the all-in-one, with the setting that moves it. */
export const PORTS = {
  ui: { setting: 'MILLRACE_UI_PORT', port: 8010 },
  scheduler: { setting: 'MILLRACE_SCHEDULER_PORT', port: 8011 },
  engine: { setting: 'MILLRACE_ENGINE_PORT', port: 8012 },
  router: { setting: 'MILLRACE_ROUTER_PORT', port: 8013 },
  trigger: { setting: 'MILLRACE_TRIGGER_PORT', port: 8020 },
  workers: { setting: 'MILLRACE_WORKER_PORT', port: 9989 },
} as const;
export type PortName = keyof typeof PORTS;

/** @throws UserError `bad-settings` */
export function readPorts(env: NodeJS.ProcessEnv): Record<PortName, number> {
  const entries = Object.entries(PORTS).map(([name, { setting, port }]) => {
    const value = Number(env[setting] ?? port);
    if (Number.isInteger(value) && value > 0 && value < 65536) return [name, value];
    throw new UserError('bad-settings', `${setting} is '${env[setting]}': expected a port from 1 to 65535`, {
      setting,
    });
  });
  return Object.fromEntries(entries) as Record<PortName, number>;
}

/** @throws UserError `port-taken` naming every port that is taken and its setting */
export async function checkPorts(ports: Readonly<Partial<Record<PortName, number>>>, host: string): Promise<void> {
  const taken: string[] = [];
  for (const [name, port] of Object.entries(ports)) {
    if (!(await isFree(port, host)))
      taken.push(`port ${port} is taken: stop what uses it, or set ${PORTS[name as PortName].setting} to another port`);
  }
  if (taken.length > 0) throw new UserError('port-taken', taken.join('\n'));
}

function isFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
    );
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}
