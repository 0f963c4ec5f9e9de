/**
 * The processes of Millrace, described in one place. `generate.mjs` makes the files of this folder from it, `run.mjs` starts a role by its
 * name, the image's health check uses its ports, and `deploy.spec.ts` compares it with the code.
 */

/** Folders of an installation: a built checkout, the settings, the data. */
export const PLACES = {
  code: '/opt/millrace',
  settings: '/etc/millrace',
  data: '/var/lib/millrace',
  workers: '/var/lib/millrace-worker',
};

/** Settings of every master: the database is the truth, the bus carries hints. */
const SHARED_SECRETS = ['MILLRACE_DB', 'MILLRACE_BUS'];
const SHARED_SETTINGS = ['MILLRACE_URL', 'MILLRACE_HTTP_HOST'];
const SETTINGS_OF_CONFIGURED = [...SHARED_SETTINGS, 'MILLRACE_DATA', 'MILLRACE_CONFIG'];

/** As `millrace start` starts them: see apps/cli/src/supervisor/node-flags.ts. */
const FLAGS_OF_MASTERS = ['--max-semi-space-size=64'];

/**
 * The roles.
 *
 * `ports`: what the process listens on, with the settings for the port and the address; HAProxy distributes connections to the `balanced`
 * ones, and with the setting `tls` it speaks TLS only. `ports.health` answers `/livez` and `/readyz`. `secrets`: settings that hold a
 * password. `settings`: the others that the process needs. `nodeFlags`: flags of Node itself. `loadsConfiguration`: it needs
 * `MILLRACE_CONFIG`, and every variable that the configuration reads. `data`: whether it keeps files (in `MILLRACE_DATA`, a worker in its
 * base directory), and whether all processes of the role should share them: each scheduler has its own mirrors of repositories, but all
 * engines share the files that builds upload. `hosts`: on how many hosts the examples run it.
 * @typedef {{ port: number, setting: string, host: string, balanced?: 'tcp' | 'http', tls?: string }} Port
 * @typedef {{
 *   what: string, kind: 'master' | 'bus' | 'worker' | 'command', script: string, nodeFlags: string[], args: string[],
 *   ports: Record<string, Port>, secrets: string[], settings: string[], loadsConfiguration: boolean, data: 'own' | 'shared' | null, hosts: number,
 * }} Role
 * @typedef {keyof typeof ROLES} RoleName
 */
export const ROLES = /** @satisfies {Record<string, Role>} */ ({
  scheduler: {
    what: 'polls repositories, turns changes into buildsets, answers the trigger API',
    kind: 'master',
    script: 'apps/scheduler/dist/main.js',
    nodeFlags: FLAGS_OF_MASTERS,
    args: [],
    ports: {
      health: { port: 8011, setting: 'MILLRACE_HTTP_PORT', host: 'MILLRACE_HTTP_HOST' },
      trigger: { port: 8020, setting: 'MILLRACE_TRIGGER_PORT', host: 'MILLRACE_TRIGGER_HOST', balanced: 'http' },
    },
    secrets: [...SHARED_SECRETS, 'MILLRACE_TRIGGER_TOKEN'],
    settings: [...SETTINGS_OF_CONFIGURED, 'MILLRACE_TRIGGER_HOST'],
    loadsConfiguration: true,
    data: 'own',
    hosts: 2,
  },
  engine: {
    what: 'holds the sessions of workers, claims build requests, runs builds, stores logs',
    kind: 'master',
    script: 'apps/engine/dist/main.js',
    nodeFlags: FLAGS_OF_MASTERS,
    args: [],
    ports: {
      health: { port: 8012, setting: 'MILLRACE_HTTP_PORT', host: 'MILLRACE_HTTP_HOST' },
      workers: { port: 9989, setting: 'MILLRACE_WORKER_PORT', host: 'MILLRACE_WORKER_HOST', balanced: 'tcp' },
    },
    secrets: SHARED_SECRETS,
    settings: [
      ...SETTINGS_OF_CONFIGURED,
      'MILLRACE_WORKER_HOST',
      'MILLRACE_WORKER_PROXY_PROTOCOL',
      'MILLRACE_WORKER_PROXY_FROM',
    ],
    loadsConfiguration: true,
    data: 'shared',
    hosts: 2,
  },
  ui: {
    what: 'serves the web app, /api/v2 and live events',
    kind: 'master',
    script: 'apps/ui/dist/main.js',
    nodeFlags: FLAGS_OF_MASTERS,
    args: [],
    ports: {
      health: {
        ...{ port: 8010, setting: 'MILLRACE_HTTP_PORT', host: 'MILLRACE_HTTP_HOST', balanced: 'http' },
        tls: 'MILLRACE_UI_TLS_CERT',
      },
    },
    secrets: SHARED_SECRETS,
    settings: SHARED_SETTINGS,
    loadsConfiguration: false,
    data: null,
    hosts: 2,
  },
  router: {
    what: 'carries hints between masters, where neither crossbar nor NATS does',
    kind: 'bus',
    script: 'libs/wamp-router/dist/main.js',
    nodeFlags: [],
    args: [],
    ports: { bus: { port: 8013, setting: 'MILLRACE_ROUTER_PORT', host: 'MILLRACE_ROUTER_HOST' } },
    secrets: ['MILLRACE_ROUTER_TICKET'],
    settings: ['MILLRACE_ROUTER_HOST'],
    loadsConfiguration: false,
    data: null,
    hosts: 0,
  },
  worker: {
    what: 'runs the commands of builds; dials out to an engine',
    kind: 'worker',
    script: 'apps/worker/dist/main.js',
    nodeFlags: [],
    args: [],
    ports: {},
    secrets: ['MILLRACE_WORKER_TOKEN'],
    settings: [],
    loadsConfiguration: false,
    data: 'own',
    hosts: 1,
  },
  migrate: {
    what: 'brings the schema of the database up to date, and ends',
    kind: 'command',
    script: 'apps/cli/dist/main.js',
    nodeFlags: [],
    args: ['db', 'migrate'],
    ports: {},
    secrets: ['MILLRACE_DB'],
    settings: [],
    loadsConfiguration: false,
    data: null,
    hosts: 1,
  },
});

/**
 * Paths of `ports.health`. A process that does not answer the first should be ended; one that refuses the second should get no connections
 * for now.
 */
export const HEALTH = { alive: '/livez', ready: '/readyz' };

/** Exit code of a process that needs a person's help before it is started again: settings, configuration, schema. */
export const EXIT_CONFIG = 78;

/** Brokers that are not part of Millrace. */
export const BROKERS = {
  nats: { port: 4222, user: 'millrace', prefix: 'org.millrace' },
  crossbar: { port: 8080, user: 'millrace', prefix: 'org.millrace', realm: 'realm1', path: 'ws' },
  /** The variable with the password or ticket, of the broker as well as of the masters. */
  secret: 'MILLRACE_BUS_TICKET',
};

/**
 * Returns the hosts of a role in the examples. They are also the names of its masters.
 *
 * @param {string} role
 */
export const hostsOf = (role) => Array.from({ length: ROLES[role].hosts }, (_, i) => `${role}-${i + 1}`);

/** Returns the balanced ports: `{ name, role, port, mode, health }`. */
export const balanced = () =>
  Object.entries(ROLES).flatMap(([role, { ports }]) =>
    Object.entries(ports)
      .filter(([, { balanced: mode }]) => mode)
      .map(([name, { port, balanced: mode }]) => ({
        name: name === 'health' ? role : name,
        role,
        port,
        mode,
        health: ports.health.port,
      })),
  );
