import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readSettings } from '@millrace/master';
import { parse } from 'yaml';
import { NODE_FLAGS_OF_MASTERS } from '../apps/cli/src/supervisor/node-flags.js';
import { readPorts } from '../apps/cli/src/supervisor/ports.js';
import { copyOf, ignores, stagesOf } from '../docker/dockerfile.mjs';
import { routerOptionsFrom } from '../libs/wamp-router/src/settings.js';
import { files } from './generate.mjs';
import { healthUrl, roleOf } from './health.mjs';
import { balanced, hostsOf, PLACES, type Role, type RoleName, ROLES } from './roles.mjs';

const ROOT = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const roles = Object.entries(ROLES) as [RoleName, Role][];
const masters = roles.filter(([, { kind }]) => kind === 'master') as ['scheduler' | 'engine' | 'ui', Role][];

/** All code that reads the environment in production. */
const READERS = [
  'libs/master/src/settings.ts',
  'libs/wamp-router/src/settings.ts',
  'apps/worker/src/options.ts',
  'apps/cli/src/commands/db.ts',
];
const settingsIn = (text: string): string[] => [...new Set(text.match(/MILLRACE_[A-Z_]*[A-Z]/g) ?? [])];
const known = new Set(READERS.flatMap((file) => settingsIn(read(file))));

describe('the files of deploy/', () => {
  it.each(Object.entries(files()))('%s is what generate.mjs writes', (path, content) => {
    expect(read(`deploy/${path}`)).toBe(content);
  });

  it('contains no unit or settings file that is not generated any more', () => {
    const written = Object.keys(files());
    for (const name of readdirSync(join(ROOT, 'deploy/systemd'))) expect(written).toContain(`systemd/${name}`);
  });

  it.each(Object.entries(files()))(
    '%s names only settings that something reads and operators.md explains',
    (_, content) => {
      const explained = settingsIn(read('docs/operators.md'));
      // Variables that the example's configuration and the brokers read.
      const others = ['MILLRACE_WORKER_PASSWORD'];
      for (const setting of settingsIn(content).filter((one) => !others.includes(one))) {
        expect([setting, known.has(setting)]).toEqual([setting, true]);
        expect(explained).toContain(setting);
      }
    },
  );
});

describe('the roles', () => {
  it.each(roles)('%s: its script is what its package builds', (_, { script }) => {
    const [, folder, file] = /^(.*)\/dist\/(.*)\.js$/.exec(script)!;
    expect(existsSync(join(ROOT, folder!, 'src', `${file}.ts`))).toBe(true);
    const { scripts } = JSON.parse(read(`${folder}/package.json`)) as { scripts: Record<string, string> };
    expect(scripts['build']).toMatch(/^tsc -b/);
  });

  it.each(roles)(
    '%s: its settings are read by something, and are in one list only',
    (_, { secrets, settings, ports }) => {
      const names = [...secrets, ...settings, ...Object.values(ports).map(({ setting }) => setting)];
      for (const name of names) expect([name, known.has(name)]).toEqual([name, true]);
      expect(new Set(names).size).toBe(names.length);
    },
  );

  it.each(masters)('%s: its ports are the defaults of the code, and its settings change them', (role, { ports }) => {
    const numbers = (env: NodeJS.ProcessEnv): unknown[] => Object.values(readSettings(role, env));
    for (const { port, setting, host } of Object.values(ports)) {
      expect(numbers({})).toContain(port);
      expect(numbers({ [setting]: '23456' })).toContain(23_456);
      expect(numbers({ [host]: '192.0.2.7' })).toContain('192.0.2.7');
    }
    expect(readSettings(role, {}).httpPort).toBe(ports['health']!.port);
  });

  it('router: its ports are the defaults of the code, and its settings change them', () => {
    const { port, setting, host } = ROLES.router.ports.bus;
    const options = (env: Record<string, string>): ReturnType<typeof routerOptionsFrom> =>
      routerOptionsFrom({ MILLRACE_ROUTER_TICKET: 'a-ticket-of-this-test', ...env });
    expect(options({}).port).toBe(port);
    expect(options({ [setting]: '23456' }).port).toBe(23_456);
    expect(options({ [host]: '192.0.2.7' }).host).toBe('192.0.2.7');
  });

  it('have the ports that `millrace start` gives them', () => {
    expect(readPorts({})).toEqual({
      ui: ROLES.ui.ports.health.port,
      scheduler: ROLES.scheduler.ports.health.port,
      engine: ROLES.engine.ports.health.port,
      router: ROLES.router.ports.bus.port,
      trigger: ROLES.scheduler.ports.trigger.port,
      workers: ROLES.engine.ports.workers.port,
    });
  });

  it('have the flags of Node that `millrace start` gives them, also in the image', () => {
    for (const [name, { kind, nodeFlags }] of roles)
      expect([name, nodeFlags]).toEqual([name, kind === 'master' ? NODE_FLAGS_OF_MASTERS : []]);
    const entry = JSON.stringify(['tini', '--', 'node', ...NODE_FLAGS_OF_MASTERS, `${PLACES.code}/deploy/run.mjs`]);
    expect(read('docker/Dockerfile').replaceAll(', ', ',')).toContain(`ENTRYPOINT ${entry}\n`);
  });

  it.each(masters)(
    '%s: whether it loads the configuration agrees with its code',
    (role, { loadsConfiguration, settings }) => {
      const names = readdirSync(join(ROOT, `apps/${role}/src`), { recursive: true, encoding: 'utf8' });
      const sources = names.filter((file) => file.endsWith('.ts')).map((file) => read(`apps/${role}/src/${file}`));
      expect(sources.some((source) => source.includes('configFileOf('))).toBe(loadsConfiguration);
      expect(settings.includes('MILLRACE_CONFIG')).toBe(loadsConfiguration);
    },
  );
});

describe('the health check of the image', () => {
  const entry = ['tini', '--', 'node', '--a-flag', '/opt/millrace/deploy/run.mjs'];
  it.each([
    [[...entry, 'engine'], 'engine'],
    [[...entry, 'router', ''], 'router'],
    [[...entry, 'millrace', 'engine'], null],
    [[...entry, 'toString'], null],
    [[...entry], null],
    [['engine'], null],
    [[''], null],
  ])('takes the role from %j: %s', (args, role) => {
    expect(roleOf(args)).toBe(role);
  });

  it.each<[RoleName | null, Record<string, string>, string | null]>([
    ['ui', {}, 'http://127.0.0.1:8010/livez'],
    ['ui', { MILLRACE_UI_TLS_CERT: '/c.pem' }, 'https://127.0.0.1:8010/livez'],
    ['scheduler', { MILLRACE_UI_TLS_CERT: '/c.pem', MILLRACE_HTTP_PORT: '99' }, 'http://127.0.0.1:99/livez'],
    ['engine', { MILLRACE_HTTP_HOST: '0.0.0.0' }, 'http://127.0.0.1:8012/livez'],
    ['engine', { MILLRACE_HTTP_HOST: '::' }, 'http://[::1]:8012/livez'],
    ['engine', { MILLRACE_HTTP_HOST: 'fd00::1' }, 'http://[fd00::1]:8012/livez'],
    ['engine', { MILLRACE_HTTP_HOST: '10.0.0.1' }, 'http://10.0.0.1:8012/livez'],
    ['router', {}, null],
    ['migrate', {}, null],
    [null, {}, null],
  ])('asks %s with %j at %s', (role, env, url) => {
    expect(healthUrl(role, env)).toBe(url);
  });
});

describe('the image', () => {
  const stages = new Map(stagesOf(read('docker/Dockerfile')).map((stage) => [stage.name, stage]));
  const steps = (name: string, instruction: string): string[] =>
    stages
      .get(name)!
      .steps.filter((step) => step.instruction === instruction)
      .map(({ rest }) => rest);
  const isIgnored = ignores(read('.dockerignore'));
  const packages = ['apps', 'libs']
    .flatMap((folder) => readdirSync(join(ROOT, folder)).map((name) => `${folder}/${name}`))
    .concat('e2e', 'bench')
    .filter((folder) => existsSync(join(ROOT, folder, 'package.json')));

  it('installs from the manifest of every package', () => {
    const copied = steps('manifests', 'COPY').map((rest) => copyOf(rest));
    for (const folder of packages)
      expect(copied).toContainEqual({ from: null, sources: [`${folder}/package.json`], target: `${folder}/` });
  });

  it('copies what exists and is not ignored', () => {
    const sources = [...stages.values()].flatMap(({ name }) =>
      steps(name, 'COPY')
        .map((rest) => copyOf(rest))
        .flatMap(({ from, sources: all }) => (from === null ? all : [])),
    );
    expect(sources.length).toBeGreaterThan(packages.length);
    for (const source of sources.filter((one) => one !== '.')) {
      expect([source, existsSync(join(ROOT, source)), isIgnored(source)]).toEqual([source, true, false]);
    }
  });

  it.each(roles.filter(([name]) => name !== 'worker'))('contains what %s runs', (_, { script }) => {
    const built = steps('build', 'RUN').find((command) => command.includes('cp '))!;
    const folder = script.replace(/\/dist\/.*/, '');
    const pattern = folder.startsWith('libs/') ? 'libs/*/dist' : `${folder}/dist`;
    expect(built.split(/\s+/)).toContain(pattern);
    if (folder.startsWith('apps/')) expect(steps('dependencies', 'RUN').join()).toContain(`--workspace=${folder}`);
  });

  it('installs no development packages, and copies only built files into its last stages', () => {
    expect(steps('dependencies', 'RUN').join()).toContain('--omit=dev');
    expect(steps('millrace', 'RUN')).toEqual([]);
  });

  it.each(['millrace', 'worker'])('%s is not root, ends on SIGTERM, says how it is, and reaps', (name) => {
    const instructions = stages.get(name)!.steps.map(({ instruction }) => instruction);
    expect(steps(name, 'USER')).toEqual(['millrace']);
    expect(steps(name, 'STOPSIGNAL')).toEqual(['SIGTERM']);
    expect(instructions).toContain('HEALTHCHECK');
    expect(instructions.slice(instructions.indexOf('USER'))).not.toContain('RUN');
    expect((JSON.parse(steps(name, 'ENTRYPOINT')[0]!) as string[])[0]).toBe('tini');
  });

  it.each([
    ['.git/config', true],
    ['.millrace/worker-password', true],
    ['node_modules/ws/index.js', true],
    ['apps/ui/node_modules', true],
    ['libs/domain/dist/index.js', true],
    ['deploy/.env', true],
    ['deploy/systemd/secrets.env', true],
    ['deploy/master.config.ts', true],
    ['apps/worker/dist.log', true],
    ['apps/ui/src/main.ts', false],
    ['package.json', false],
    ['deploy/roles.mjs', false],
    ['.gitignore', false],
    ['libs/distribution.ts', false],
  ])('the context: %s is left out: %s', (path, out) => {
    expect(isIgnored(path)).toBe(out);
  });

  it('is parsed completely', () => {
    const text =
      'ARG BASE=node:20\n# note\nFROM ${BASE} AS one\nRUN a \\\n  # between\n  && b\nFROM one AS two\nCOPY --from=one /x ./\n';
    expect(stagesOf(text)).toEqual([
      { name: 'one', base: 'node:20', steps: [{ instruction: 'RUN', rest: 'a && b' }] },
      { name: 'two', base: 'one', steps: [{ instruction: 'COPY', rest: '--from=one /x ./' }] },
    ]);
    expect(copyOf('--from=one /x ./')).toEqual({ from: 'one', sources: ['/x'], target: './' });
    expect(() => stagesOf('FROM a AS b\nrun x')).toThrow('not understood');
  });
});

interface ComposeService {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly depends_on?: readonly string[] | Readonly<Record<string, unknown>>;
  readonly cap_drop?: readonly string[];
}

describe('compose.yml', () => {
  const { services, volumes } = parse(read('deploy/compose.yml')) as {
    services: Record<string, ComposeService>;
    volumes: Record<string, unknown>;
  };

  it('runs every master on each of its hosts, under the name of its role', () => {
    for (const [name] of masters)
      for (const host of hostsOf(name)) expect(services[host]).toMatchObject({ command: [name], hostname: host });
  });

  it('mounts volumes and files, and waits for services, that exist', () => {
    for (const service of Object.values(services)) {
      for (const volume of service.volumes ?? []) {
        const source = volume.split(':')[0]!;
        // The configuration is the operator's own.
        if (source.startsWith('./'))
          expect(source === './master.config.ts' || existsSync(join(ROOT, 'deploy', source))).toBe(true);
        else expect(Object.keys(volumes)).toContain(source);
      }
      const waits = service.depends_on ?? [];
      for (const name of Array.isArray(waits) ? (waits as string[]) : Object.keys(waits))
        expect(services).toHaveProperty(name);
    }
  });

  it('contains no secret, and names a missing one', () => {
    const secret = /(?<!RANDOM_ROOT_)PASSWORD$|TOKEN$|TICKET$|_DB$|_BUS$/;
    const found = Object.values(services).flatMap(({ environment = {} }) =>
      Object.entries(environment).filter(([name]) => secret.test(name)),
    );
    expect(found.length).toBeGreaterThan(10);
    for (const [name, value] of found) expect([name, value]).toEqual([name, expect.stringMatching(/\$\{[A-Z_]+:\?/)]);
    const asked = [...new Set(read('deploy/compose.yml').match(/(?<=\$\{)[A-Z_]+(?=:\?)/g))];
    for (const name of asked) expect(read('deploy/.env.example')).toContain(`\n${name}=\n`);
  });

  it('publishes the balanced ports, to this host only', () => {
    const published = Object.entries(services).flatMap(([name, { ports = [] }]) =>
      ports.map((port) => `${name} ${port}`),
    );
    expect(published).toEqual(balanced().map(({ port }) => `balancer 127.0.0.1:${port}:${port}`));
  });

  it('gives none of our containers more rights than they need', () => {
    for (const [name, { image, cap_drop }] of Object.entries(services)) {
      if (image.startsWith('millrace')) expect([name, cap_drop]).toEqual([name, ['ALL']]);
    }
  });
});

describe('the units of systemd', () => {
  it.each(Object.entries(files()).filter(([path]) => path.endsWith('.service')))(
    '%s confines its service',
    (path, content) => {
      const lines = content.split('\n');
      for (const line of [
        'NoNewPrivileges=yes',
        'ProtectSystem=strict',
        'ProtectHome=yes',
        'PrivateTmp=yes',
        'UMask=0077',
        'CapabilityBoundingSet=',
      ])
        expect(lines).toContain(line);
      expect(lines).not.toContain('User=root');
      expect(lines.some((line) => line.startsWith('User=millrace'))).toBe(true);
      // Secrets come from files that only root reads, never from the unit, which everybody can read.
      expect(content).not.toMatch(/^Environment=.*(?:PASSWORD|TOKEN|TICKET)/m);
      for (const [, file] of content.matchAll(/^EnvironmentFile=\/etc\/millrace\/(.*)$/gm)) {
        expect(Object.keys(files())).toContain(`systemd/${file!.replace('worker-%i', 'worker')}`);
      }
      if (!path.includes('migrate')) expect(lines).toContain('RestartPreventExitStatus=78');
    },
  );
});
