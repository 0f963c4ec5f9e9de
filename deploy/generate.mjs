/**
 * Writes the files of this folder from `roles.mjs`: `node deploy/generate.mjs`. They are committed; `deploy.spec.ts` fails when they differ
 * from what this script would write.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { balanced, BROKERS, EXIT_CONFIG, HEALTH, hostsOf, PLACES, ROLES } from './roles.mjs';

const HEADER = '# Made by deploy/generate.mjs from deploy/roles.mjs: change those, not this.';
const text = (...lines) => `${lines.flat(Infinity).join('\n')}\n`;
const entries = Object.entries(ROLES);
const masters = entries.filter(([, { kind }]) => kind === 'master');

// ---- systemd --------------------------------------------------------------------------------------------------------------------------------

/** Restrictions of every role. Not `MemoryDenyWriteExecute`: V8 generates code at run time. */
const HARDENING = [
  'NoNewPrivileges=yes',
  'CapabilityBoundingSet=',
  'AmbientCapabilities=',
  'ProtectSystem=strict',
  'ProtectHome=yes',
  'PrivateTmp=yes',
  'PrivateDevices=yes',
  'ProtectClock=yes',
  'ProtectHostname=yes',
  'ProtectKernelTunables=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelLogs=yes',
  'ProtectControlGroups=yes',
  'RestrictSUIDSGID=yes',
  'RestrictRealtime=yes',
  'LockPersonality=yes',
];
/** Restrictions of masters. Builds may need these rights. */
const HARDENING_OF_MASTERS = [
  'ProtectProc=invisible',
  'RestrictNamespaces=yes',
  'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX',
  'SystemCallArchitectures=native',
  'SystemCallFilter=@system-service',
  'SystemCallErrorNumber=EPERM',
];

/** A setting of one role is in a file of its own, so that no process is given another one's secrets. */
const isShared = (setting) => entries.filter(([, role]) => needs(role).includes(setting)).length > 1;
const needs = (role) => (role.kind === 'worker' ? [] : [...role.settings, ...role.secrets]);

function environmentFiles(name, role) {
  const folder = PLACES.settings;
  if (role.kind === 'worker') {
    return [
      `EnvironmentFile=${folder}/worker-%i.env`,
      // A file that only this service can read, and that is in no build's environment.
      `LoadCredential=token:${folder}/worker-%i.token`,
    ];
  }
  return [
    role.settings.some(isShared) ? `EnvironmentFile=${folder}/settings.env` : [],
    role.secrets.some(isShared) ? `EnvironmentFile=${folder}/secrets.env` : [],
    needs(role).every(isShared) ? [] : `EnvironmentFile=${folder}/millrace-${name}.env`,
  ];
}

function unit(name, role) {
  const isWorker = role.kind === 'worker';
  const isCommand = role.kind === 'command';
  const user = isWorker ? 'millrace-worker' : 'millrace';
  const command = ['/usr/bin/node', ...role.nodeFlags, `${PLACES.code}/${role.script}`, ...role.args];
  if (isWorker)
    command.push(
      '--master ${MASTERS}',
      '--name %i',
      `--basedir ${PLACES.workers}/%i`,
      // A credential is a file that only this service can read. It is never in an environment that a build could see.
      '--token-file ${CREDENTIALS_DIRECTORY}/token',
    );
  return text(
    HEADER,
    '[Unit]',
    `Description=Millrace ${name}${isWorker ? ' %i' : ''}: ${role.what}`,
    'Wants=network-online.target',
    'After=network-online.target',
    // The unit keeps trying, even when a server is away for an hour.
    isCommand ? [] : 'StartLimitIntervalSec=0',
    '',
    '[Service]',
    isCommand ? 'Type=oneshot' : 'Type=exec',
    `User=${user}`,
    `Group=${user}`,
    'UMask=0077',
    role.data ? [`StateDirectory=${isWorker ? 'millrace-worker' : 'millrace'}`, 'StateDirectoryMode=0700'] : [],
    `WorkingDirectory=${role.data ? (isWorker ? PLACES.workers : PLACES.data) : PLACES.code}`,
    environmentFiles(name, role),
    `ExecStart=${command.join(' ')}`,
    isCommand
      ? []
      : [
          role.loadsConfiguration ? 'ExecReload=/bin/kill -HUP $MAINPID' : [],
          'Restart=always',
          'RestartSec=1',
          `RestartPreventExitStatus=${EXIT_CONFIG}`,
          // The process ends its children itself. What it leaves behind is killed.
          'KillMode=mixed',
          'TimeoutStopSec=30',
          'LimitNOFILE=65536',
          // Enables the CPU controller. Without it niceness, with which user code yields, has no effect across services.
          'CPUWeight=100',
        ],
    '',
    HARDENING,
    isWorker ? [] : HARDENING_OF_MASTERS,
    isCommand ? [] : ['', '[Install]', 'WantedBy=multi-user.target'],
  );
}

const units = Object.fromEntries(
  entries.map(([name, role]) => [
    `systemd/millrace-${name}${role.kind === 'worker' ? '@' : ''}.service`,
    unit(name, role),
  ]),
);

// ---- settings -------------------------------------------------------------------------------------------------------------------------------

const EXAMPLE = {
  MILLRACE_URL: 'https://ci.example.org',
  MILLRACE_DATA: PLACES.data,
  MILLRACE_CONFIG: `${PLACES.settings}/master.config.ts`,
  MILLRACE_HTTP_HOST: '127.0.0.1',
  MILLRACE_WORKER_HOST: '127.0.0.1',
  MILLRACE_TRIGGER_HOST: '127.0.0.1',
  MILLRACE_ROUTER_HOST: '127.0.0.1',
  MILLRACE_WORKER_PROXY_PROTOCOL: 'off',
  MILLRACE_WORKER_PROXY_FROM: '',
  MILLRACE_DB: 'mariadb://millrace:PASSWORD@db.example.org/millrace',
  MILLRACE_BUS: `nats://${BROKERS.nats.user}:PASSWORD@bus.example.org:${BROKERS.nats.port}`,
  MILLRACE_TRIGGER_TOKEN: 'TOKEN',
  MILLRACE_ROUTER_TICKET: 'TICKET',
};
const REMARKS = {
  MILLRACE_HTTP_HOST:
    'Where it listens: an address of your private network, where a balancer or a scraper is on another host. Whoever reaches a UI may start and stop builds.',
  MILLRACE_WORKER_HOST: 'An address of your private network, where the balancer or workers are on other hosts.',
  MILLRACE_TRIGGER_HOST: 'An address of your private network, where the balancer is on another host.',
  MILLRACE_ROUTER_HOST: 'An address of your private network, where masters are on other hosts.',
  MILLRACE_WORKER_PROXY_PROTOCOL: 'v2 behind haproxy.cfg, whose addresses the next line then has.',
};
const setting = (name) => ['', REMARKS[name] ? `# ${REMARKS[name]}` : [], `${name}=${EXAMPLE[name]}`];
const fileOf = (list, comment) =>
  text(HEADER, `# ${comment}`, [...new Set(entries.flatMap(([, role]) => role[list]))].filter(isShared).map(setting));

const environments = {
  'systemd/settings.env': fileOf(
    'settings',
    `${PLACES.settings}/settings.env: of all masters of this host. docs/operators.md explains every setting.`,
  ),
  'systemd/secrets.env': fileOf(
    'secrets',
    `${PLACES.settings}/secrets.env, mode 0600: systemd reads it as root and gives it to the services.`,
  ),
  ...Object.fromEntries(
    entries
      .filter(([, role]) => !needs(role).every(isShared))
      .map(([name, role]) => [
        `systemd/millrace-${name}.env`,
        text(
          HEADER,
          `# ${PLACES.settings}/millrace-${name}.env, mode 0600: what only the ${name} of this host is told${
            role.loadsConfiguration ? ', and what the configuration reads (`passwordEnv`)' : ''
          }.`,
          needs(role)
            .filter((one) => !isShared(one))
            .map(setting),
        ),
      ]),
  ),
  'systemd/worker.env': text(
    HEADER,
    `# ${PLACES.settings}/worker-NAME.env, beside worker-NAME.token (mode 0600), for \`systemctl start millrace-worker@NAME\`.`,
    '# Builds see these variables.',
    '',
    `MASTERS=ws://engines.example.org:${ROLES.engine.ports.workers.port}`,
  ),
};

// ---- HAProxy --------------------------------------------------------------------------------------------------------------------------------

function haproxy() {
  const section = ({ name, role, port, mode, health }) => [
    '',
    `# ${ROLES[role].what}`,
    `listen ${name}`,
    `  mode ${mode}`,
    `  bind "\${BIND_${name.toUpperCase()}-:${port}}"`,
    // Workers stay connected, so a new one goes to the engine with the fewest.
    mode === 'tcp' ? ['  balance leastconn', '  timeout client 1h', '  timeout server 1h'] : [],
    mode === 'http'
      ? ['  balance roundrobin', '  option forwardfor', '  timeout http-request 10s', '  timeout tunnel 1h']
      : [],
    `  option httpchk GET ${HEALTH.ready}`,
    hostsOf(role).map(
      (host) => `  server ${host} ${host}:${port} check port ${health}${mode === 'tcp' ? ' send-proxy-v2' : ''}`,
    ),
  ];
  return text(
    HEADER,
    '# Before schedulers, engines and UIs. BIND_… in its environment says where it listens, otherwise on every address; no port has TLS here, so put',
    '# `bind :443 ssl crt …` in the place of what leaves your network. There is no login yet: whoever reaches `ui` may start and stop builds.',
    '# It takes as many connections as its limit of open files allows (two files each).',
    'global',
    '  log stdout format raw daemon notice',
    '',
    'resolvers system',
    '  parse-resolv-conf',
    '',
    'defaults',
    '  log global',
    '  timeout connect 5s',
    '  timeout client 1m',
    '  timeout server 1m',
    '  timeout check 5s',
    '  # Hosts may come later than this one, and move.',
    '  default-server inter 2s fall 2 rise 1 init-addr last,libc,none resolvers system',
    balanced().map(section),
  );
}

// ---- brokers --------------------------------------------------------------------------------------------------------------------------------

function nats() {
  const { port, user, prefix } = BROKERS.nats;
  const subjects = JSON.stringify([`${prefix}.>`, `_call.${prefix}.>`, '_INBOX.>']);
  return text(
    HEADER,
    `# nats-server -c nats.conf, with the password in its environment as ${BROKERS.secret}. It begins with a letter: what looks like a number is read as one.`,
    `port: ${port}`,
    'max_payload: 1MB',
    'authorization {',
    '  users = [',
    '    {',
    `      user: ${user}, password: $${BROKERS.secret}`,
    '      permissions: {',
    `        publish: ${subjects}`,
    `        subscribe: ${subjects}`,
    '      }',
    '    }',
    '  ]',
    '}',
  );
}

/** JSON has no comments. `deploy/README.md` says that the file is generated. */
function crossbar() {
  const { port, user, prefix, realm, path } = BROKERS.crossbar;
  const role = {
    name: 'master',
    permissions: [
      {
        uri: `${prefix}.`,
        match: 'prefix',
        allow: { call: true, register: true, publish: true, subscribe: true },
        disclose: { caller: false, publisher: false },
        cache: true,
      },
    ],
  };
  const transport = {
    type: 'web',
    endpoint: { type: 'tcp', port },
    paths: {
      '/': { type: 'json', value: {} },
      [path]: {
        type: 'websocket',
        serializers: ['json'],
        auth: {
          ticket: { type: 'static', principals: { [user]: { ticket: `\${${BROKERS.secret}}`, role: role.name } } },
        },
      },
    },
  };
  const workers = [{ type: 'router', realms: [{ name: realm, roles: [role] }], transports: [transport] }];
  return text(JSON.stringify({ version: 2, controller: {}, workers }, null, 2));
}

// ---- Compose --------------------------------------------------------------------------------------------------------------------------------

function compose() {
  /** Returns a reference to a variable of `.env` without which nothing starts. */
  const need = (name) => `\${${name}:?set it in deploy/.env}`;
  const image = 'millrace:0.1.0';
  const build = (target) => ({ context: '..', dockerfile: 'docker/Dockerfile', target });
  const database = `mariadb://millrace:${need('DATABASE_PASSWORD')}@db/millrace`;
  const values = {
    MILLRACE_DB: database,
    MILLRACE_BUS: `nats://${BROKERS.nats.user}:${need('BUS_PASSWORD')}@bus:${BROKERS.nats.port}`,
    MILLRACE_TRIGGER_TOKEN: need('TRIGGER_TOKEN'),
    MILLRACE_URL: '${MILLRACE_URL:-http://localhost:8010}',
    MILLRACE_DATA: PLACES.data,
    MILLRACE_CONFIG: `${PLACES.settings}/master.config.ts`,
    MILLRACE_WORKER_PROXY_PROTOCOL: 'v2',
    MILLRACE_WORKER_PROXY_FROM: BALANCER,
  };
  /** Limits of a container: no capabilities, and no new privileges for its programs. */
  const confined = { cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'], restart: 'unless-stopped' };
  const environment = (role) =>
    Object.fromEntries([...role.secrets, ...role.settings].map((name) => [name, values[name]]));

  const volumeOf = (name, host) => (ROLES[name].data === 'shared' ? `${name}s` : host);
  const volumes = entries
    .filter(([, { data }]) => data !== null)
    .flatMap(([name]) => hostsOf(name).map((host) => volumeOf(name, host)));

  const master = (name, role, host) => ({
    image,
    build: build('millrace'),
    command: [name],
    hostname: host,
    ...confined,
    read_only: true,
    tmpfs: ['/tmp'],
    environment: {
      MILLRACE_NAME: host,
      ...environment(role),
      ...Object.fromEntries(Object.values(role.ports).map(({ host: setting }) => [setting, '0.0.0.0'])),
      // The configuration reads it.
      ...(role.loadsConfiguration ? { MILLRACE_WORKER_PASSWORD: need('WORKER_PASSWORD') } : {}),
    },
    volumes: [
      ...(role.data ? [`${volumeOf(name, host)}:${PLACES.data}`] : []),
      ...(role.loadsConfiguration ? [`./master.config.ts:${PLACES.settings}/master.config.ts:ro`] : []),
    ],
    depends_on: { migrate: { condition: 'service_completed_successfully' } },
  });
  const services = {
    db: {
      image: 'mariadb:10.11',
      command: ['--character-set-server=utf8mb4', '--collation-server=utf8mb4_bin'],
      restart: 'unless-stopped',
      environment: {
        MARIADB_DATABASE: 'millrace',
        MARIADB_USER: 'millrace',
        MARIADB_PASSWORD: need('DATABASE_PASSWORD'),
        MARIADB_RANDOM_ROOT_PASSWORD: '1',
      },
      volumes: ['database:/var/lib/mysql'],
      healthcheck: {
        test: ['CMD', 'healthcheck.sh', '--connect', '--innodb_initialized'],
        interval: '5s',
        retries: 24,
      },
    },
    bus: {
      image: 'nats:2.10-alpine',
      command: ['-c', '/etc/nats/nats.conf'],
      ...confined,
      environment: { [BROKERS.secret]: need('BUS_PASSWORD') },
      volumes: ['./nats.conf:/etc/nats/nats.conf:ro'],
    },
    migrate: {
      image,
      build: build('millrace'),
      command: ['migrate'],
      ...confined,
      restart: 'on-failure',
      environment: environment(ROLES.migrate),
      depends_on: { db: { condition: 'service_healthy' } },
    },
    ...Object.fromEntries(
      masters.flatMap(([name, role]) => hostsOf(name).map((host) => [host, master(name, role, host)])),
    ),
    balancer: {
      image: 'haproxy:2.8-alpine',
      ...confined,
      volumes: ['./haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro'],
      // Published to this host only: there is no login yet, and workers' passwords would be sent unencrypted.
      ports: balanced().map(({ port }) => `127.0.0.1:${port}:${port}`),
      networks: { default: { ipv4_address: BALANCER } },
      depends_on: masters.flatMap(([name]) => hostsOf(name)),
    },
    ...Object.fromEntries(
      hostsOf('worker').map((host) => [
        host,
        {
          image: 'millrace-worker:0.1.0',
          build: build('worker'),
          command: [
            ...ROLES.worker.args,
            '--master',
            `ws://balancer:${ROLES.engine.ports.workers.port}`,
            '--name',
            '${WORKER_NAME:-local}',
            '--basedir',
            PLACES.workers,
          ],
          hostname: host,
          ...confined,
          environment: { MILLRACE_WORKER_TOKEN: need('WORKER_PASSWORD') },
          volumes: [`${host}:${PLACES.workers}`],
          depends_on: ['balancer'],
        },
      ]),
    ),
  };
  const description = {
    name: 'millrace',
    services,
    networks: { default: { ipam: { config: [{ subnet: SUBNET }] } } },
    volumes: Object.fromEntries(['database', ...new Set(volumes)].map((name) => [name, {}])),
  };
  return text(
    HEADER,
    '# Two of each master behind HAProxy, with MariaDB and NATS, on one host: `docker compose up --build` in this folder, after `.env` (see',
    '# `.env.example`) and `master.config.ts` have been put beside this file.',
    stringify(description, { lineWidth: 150, aliasDuplicateObjects: false }).trimEnd(),
  );
}
/** Engines trust PROXY headers of the balancer only, so it has a fixed address. */
const SUBNET = '172.28.89.0/24';
const BALANCER = '172.28.89.2';

const composeEnv = () =>
  text(
    HEADER,
    '# Copy to .env and fill in: letters and digits only, because they stand in addresses, and a letter first. `openssl rand -hex 24` after an `m` will do.',
    'DATABASE_PASSWORD=',
    'BUS_PASSWORD=',
    'TRIGGER_TOKEN=',
    "# Of the configuration: worker(WORKER_NAME, { passwordEnv: 'MILLRACE_WORKER_PASSWORD' })",
    'WORKER_NAME=local',
    'WORKER_PASSWORD=',
    '# Where people reach the balancer',
    `MILLRACE_URL=http://localhost:${ROLES.ui.ports.health.port}`,
  );

/**
 * Contents of every file by its path in this folder.
 *
 * @returns {Record<string, string>}
 */
export const files = () => ({
  ...units,
  ...environments,
  'haproxy.cfg': haproxy(),
  'nats.conf': nats(),
  'crossbar/config.json': crossbar(),
  'compose.yml': compose(),
  '.env.example': composeEnv(),
});

if (import.meta.filename === process.argv[1]) {
  for (const [path, content] of Object.entries(files())) {
    const file = join(import.meta.dirname, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
}
