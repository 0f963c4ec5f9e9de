import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { MasterRole } from '@millrace/database';
import {
  type ListenerRule,
  listenerRule,
  printable,
  readAllowedHosts,
  redactAddresses,
  UserError,
} from '@millrace/domain';
import type { TlsFiles } from './tls-identity.js';

/** The settings of every master, read once at start. Nothing else reads the environment. */
export interface MasterSettings {
  readonly role: MasterRole;
  /** True when a supervisor started the process over IPC. It ends with its supervisor. */
  readonly isSupervised: boolean;
  /** Name of the master: unique in the cluster, and the same over restarts. */
  readonly name: string;
  readonly databaseUrl: string;
  readonly busUrl: string;
  readonly busRealm: string;
  readonly busPrefix: string;
  readonly busAuthId: string | null;
  readonly busTicket: string | null;
  /** Address for health and metrics; of the UI also for pages and the API. */
  readonly httpHost: string;
  readonly httpPort: number;
  /** Certificate of that port, which then speaks TLS only; null for every role but the UI, and without TLS. */
  readonly httpTls: TlsFiles | null;
  /** How long browsers that have been here insist on https; 0: they are not told to. */
  readonly hstsSeconds: number;
  /** Address of the UI for people, without a slash at its end. Links are made from it. */
  readonly publicUrl: string;
  /** The host names and page origins that every HTTP listener of this master accepts. */
  readonly listenerRule: ListenerRule;
  readonly leaseMs: number;
  /** Longest time until a lost hint is noticed (I1). */
  readonly pollIntervalMs: number;
  readonly configFile: string | null;
  readonly dataFolder: string;
  readonly logLevel: string;
}

export interface EngineSettings extends MasterSettings {
  readonly role: 'engine';
  /** Address where workers connect. */
  readonly workerHost: string;
  readonly workerPort: number;
  /** Further ports for workers, each for one protocol; null for none. */
  readonly workerPbPort: number | null;
  readonly workerMsgpackPort: number | null;
  /** Certificate for workers. With it all of the workers' ports accept TLS only. */
  readonly workerTls: TlsFiles | null;
  /** CIDRs of balancers whose connections begin with a PROXY header (v2). */
  readonly workerProxyFrom: readonly string[];
  /** Most connections of workers at a time; null for as many as the operating system allows. */
  readonly workerMax: number | null;
  /** Most connections of one address that may wait for their login at a time. */
  readonly workerLoginsPerAddress: number;
  /** How long a build without an engine waits for its worker to come back with it. */
  readonly resumeWaitMs: number;
  /** Memory for the build steps of one runner thread. */
  readonly runnerMemoryMb: number;
}

/** The settings of a master that takes deliveries to hooks. */
export interface HookSettings extends MasterSettings {
  /** How long the bodies of deliveries to hooks are kept. */
  readonly hookKeepMs: number;
}

export interface SchedulerSettings extends HookSettings {
  readonly role: 'scheduler';
  /** Address of the listener of the trigger API and of hooks. */
  readonly triggerHost: string;
  readonly triggerPort: number;
  readonly triggerToken: string | null;
}

export interface UiSettings extends HookSettings {
  readonly role: 'ui';
  /** Addresses and CIDRs of the proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  /** Most connections to `/ws`, of all addresses and of one. Loopback, where a proxy may be, is not limited by address. */
  readonly wsMax: number;
  readonly wsMaxPerAddress: number;
  /** Requests a second of one client in the long run, and at once. 0: not limited. */
  readonly requestsPerSecond: number;
  readonly requestsBurst: number;
  /** How long it is kept who did what. */
  readonly auditKeepMs: number;
}

/** The settings of each role. */
export interface RoleSettings {
  readonly engine: EngineSettings;
  readonly scheduler: SchedulerSettings;
  readonly ui: UiSettings;
}

const DEFAULT_HTTP_PORT: Record<MasterRole, number> = { ui: 8010, scheduler: 8011, engine: 8012 };

/** Shortest accepted token. Shorter ones can be guessed. */
const MIN_TOKEN_CHARACTERS = 16;

const DAY_MS = 86_400_000;

/** Two years, the most that is of any use. */
const MAX_HSTS_SECONDS = 63_072_000;

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/**
 * Reads the settings of a role.
 * @throws UserError `bad-settings` listing every malformed value
 */
export function readSettings<R extends MasterRole>(role: R, env: NodeJS.ProcessEnv = process.env): RoleSettings[R] {
  const reader = new EnvironmentReader(env);
  const settings = READERS[role](reader);
  const { problems } = reader;
  if (problems.length > 0) throw new UserError('bad-settings', problems.join('\n'), { problems });
  return settings;
}

/** A path that is the same however a proxy or a browser writes it. */
const PUBLIC_PATH = /^(\/|(\/[\w-][\w.-]*){1,10})$/;

/** Whether a URL has nothing but an origin and a path. */
function isPlainUrl(text: string): boolean {
  const { origin, pathname } = new URL(text);
  return text.toLowerCase() === `${origin}${pathname === '/' ? '' : pathname}`.toLowerCase();
}

function commonSettings<R extends MasterRole>(
  role: R,
  reader: EnvironmentReader,
): MasterSettings & { readonly role: R } {
  const { env, problems } = reader;
  const dataFolder = resolve(reader.text('MILLRACE_DATA', '.millrace'));
  const scheme = env.MILLRACE_UI_TLS_CERT ? 'https' : 'http';
  const publicUrl = reader.text('MILLRACE_URL', `${scheme}://localhost:${DEFAULT_HTTP_PORT.ui}`).replace(/\/+$/, '');
  const isUrl = /^https?:\/\/./i.test(publicUrl) && URL.canParse(publicUrl);
  if (!isUrl) problems.push(`MILLRACE_URL is '${quoted(publicUrl)}': expected a URL like https://ci.example.org`);
  else if (!PUBLIC_PATH.test(new URL(publicUrl).pathname) || !isPlainUrl(publicUrl)) {
    problems.push(
      `MILLRACE_URL is '${quoted(publicUrl)}': expected a host, and perhaps a port and a path of plain words, as in https://example.org/ci`,
    );
  }
  const allowedHosts = readAllowedHosts(env.MILLRACE_ALLOWED_HOSTS ?? '', problems);
  return {
    role,
    isSupervised: env.MILLRACE_SUPERVISED === '1',
    name: reader.text('MILLRACE_NAME', `${role}@${hostname()}`),
    databaseUrl: reader.text('MILLRACE_DB', `sqlite:${dataFolder}/millrace.sqlite`),
    busUrl: reader.text('MILLRACE_BUS', 'none:'),
    busRealm: reader.text('MILLRACE_BUS_REALM', 'realm1'),
    busPrefix: reader.text('MILLRACE_BUS_PREFIX', 'org.millrace'),
    busAuthId: env.MILLRACE_BUS_USER || null,
    busTicket: reader.secret('MILLRACE_BUS_TICKET', 1),
    httpHost: reader.text('MILLRACE_HTTP_HOST', '127.0.0.1'),
    httpPort: reader.integer('MILLRACE_HTTP_PORT', DEFAULT_HTTP_PORT[role], 0, 65535),
    ...(role === 'ui' ? httpTls(reader, publicUrl) : { httpTls: null, hstsSeconds: 0 }),
    publicUrl,
    listenerRule: listenerRule({ publicUrl: isUrl ? publicUrl : null, allowedHosts, machine: hostname() }),
    leaseMs: reader.integer('MILLRACE_LEASE_MS', 10_000, 500, 600_000),
    pollIntervalMs: reader.integer('MILLRACE_POLL_MS', 2000, 50, 600_000),
    configFile: env.MILLRACE_CONFIG ? resolve(env.MILLRACE_CONFIG) : null,
    dataFolder,
    logLevel: reader.oneOf('MILLRACE_LOG_LEVEL', 'info', LOG_LEVELS),
  };
}

const READERS: { readonly [R in MasterRole]: (reader: EnvironmentReader) => RoleSettings[R] } = {
  engine: (reader) => ({
    ...commonSettings('engine', reader),
    workerHost: reader.text('MILLRACE_WORKER_HOST', '127.0.0.1'),
    workerPort: reader.integer('MILLRACE_WORKER_PORT', 9989, 0, 65535),
    workerPbPort: reader.optionalInteger('MILLRACE_WORKER_PB_PORT', 0, 65535),
    workerMsgpackPort: reader.optionalInteger('MILLRACE_WORKER_MSGPACK_PORT', 0, 65535),
    workerTls: tlsFiles(reader, 'MILLRACE_WORKER_TLS'),
    workerProxyFrom: workerProxyFrom(reader),
    workerLoginsPerAddress: reader.integer('MILLRACE_WORKER_LOGINS_PER_ADDRESS', 1000, 1, 1_000_000),
    workerMax: reader.optionalInteger('MILLRACE_WORKER_MAX', 1, 1_000_000),
    resumeWaitMs: reader.integer('MILLRACE_RESUME_WAIT_MS', 300_000, 0, 86_400_000),
    runnerMemoryMb: reader.integer('MILLRACE_RUNNER_MEMORY_MB', 512, 32, 65_536),
  }),
  scheduler: (reader) => ({
    ...commonSettings('scheduler', reader),
    triggerHost: reader.text('MILLRACE_TRIGGER_HOST', '127.0.0.1'),
    triggerPort: reader.integer('MILLRACE_TRIGGER_PORT', 8020, 0, 65535),
    triggerToken: reader.secret('MILLRACE_TRIGGER_TOKEN', MIN_TOKEN_CHARACTERS),
    ...hookSettings(reader),
  }),
  ui: (reader) => ({
    ...commonSettings('ui', reader),
    trustedProxies: cidrs(reader, 'MILLRACE_TRUSTED_PROXIES'),
    wsMax: reader.integer('MILLRACE_WS_MAX', 2000, 1, 100_000),
    wsMaxPerAddress: reader.integer('MILLRACE_WS_MAX_PER_ADDRESS', 1000, 1, 100_000),
    requestsPerSecond: reader.integer('MILLRACE_REQUESTS_PER_SECOND', 50, 0, 100_000),
    requestsBurst: reader.integer('MILLRACE_REQUESTS_BURST', 1000, 1, 1_000_000),
    auditKeepMs: reader.integer('MILLRACE_AUDIT_KEEP_DAYS', 365, 1, 36_500) * DAY_MS,
    ...hookSettings(reader),
  }),
};

function hookSettings(reader: EnvironmentReader): Omit<HookSettings, keyof MasterSettings> {
  return { hookKeepMs: reader.integer('MILLRACE_HOOK_KEEP_DAYS', 30, 1, 3_650) * DAY_MS };
}

/** Reads values of the environment and collects what is wrong with them. */
class EnvironmentReader {
  readonly problems: string[] = [];

  constructor(readonly env: NodeJS.ProcessEnv) {}

  text(name: string, otherwise: string): string {
    return this.env[name] || otherwise;
  }

  oneOf(name: string, otherwise: string, values: readonly string[]): string {
    const value = this.text(name, otherwise);
    if (!values.includes(value))
      this.problems.push(
        `${name} is '${quoted(value)}': expected ${values.slice(0, -1).join(', ')} or ${values.at(-1)}`,
      );
    return value;
  }

  secret(name: string, leastCharacters: number): string | null {
    const value = this.env[name];
    if (value === undefined) return null;
    // An empty secret comes from an empty file, and would open what it should protect.
    if (value.length < leastCharacters)
      this.problems.push(
        `${name} has ${value.length} characters: expected at least ${leastCharacters}, or leave it out altogether`,
      );
    return value;
  }

  integer(name: string, otherwise: number, min: number, max: number): number {
    return this.optionalInteger(name, min, max) ?? otherwise;
  }

  optionalInteger(name: string, min: number, max: number): number | null {
    const raw = this.env[name];
    if (!raw) return null;
    const value = Number(raw);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    this.problems.push(`${name} is '${quoted(raw)}': expected a whole number from ${min} to ${max}`);
    return null;
  }
}

/** Quotes a value for a message. Passwords in addresses are hidden, and control characters are escaped. */
function quoted(value: string): string {
  return printable(redactAddresses(value.slice(0, 1000)), 100);
}

function tlsFiles({ env, problems }: EnvironmentReader, prefix: string): TlsFiles | null {
  const [cert, key] = [env[`${prefix}_CERT`], env[`${prefix}_KEY`]];
  if (!cert && !key) return null;
  if (cert && key) return { certFile: resolve(cert), keyFile: resolve(key) };
  problems.push(`${prefix}_CERT and ${prefix}_KEY belong together: set both or neither`);
  return null;
}

function httpTls(reader: EnvironmentReader, publicUrl: string): Pick<MasterSettings, 'httpTls' | 'hstsSeconds'> {
  const files = tlsFiles(reader, 'MILLRACE_UI_TLS');
  const hstsSeconds = reader.integer('MILLRACE_UI_HSTS_SECONDS', 0, 0, MAX_HSTS_SECONDS);
  if (files && /^http:/i.test(publicUrl)) {
    reader.problems.push(`MILLRACE_URL is '${quoted(publicUrl)}': with MILLRACE_UI_TLS_CERT it begins with https://`);
  }
  if (!files && hstsSeconds > 0) {
    reader.problems.push(
      'MILLRACE_UI_HSTS_SECONDS needs MILLRACE_UI_TLS_CERT: behind a proxy with TLS, the proxy says it',
    );
  }
  return { httpTls: files, hstsSeconds };
}

/** Trusted proxies have to be listed: a PROXY header from anybody else could claim any address. */
function workerProxyFrom(reader: EnvironmentReader): string[] {
  const { env, problems } = reader;
  const { MILLRACE_WORKER_PROXY_PROTOCOL: mode = 'off' } = env;
  if (mode === 'off' || mode === '') return [];
  if (mode !== 'v2') {
    problems.push(`MILLRACE_WORKER_PROXY_PROTOCOL is '${quoted(mode)}': expected off or v2`);
    return [];
  }
  const balancers = cidrs(reader, 'MILLRACE_WORKER_PROXY_FROM');
  if (balancers.length === 0) {
    problems.push('MILLRACE_WORKER_PROXY_FROM has to name the balancers, such as 10.0.0.5,10.1.0.0/16');
  }
  return balancers;
}

function cidrs({ env, problems }: EnvironmentReader, name: string): string[] {
  const found = (env[name] ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);
  for (const cidr of found) {
    if (!isCidr(cidr)) problems.push(`${name} has '${quoted(cidr)}': expected an address or a CIDR`);
  }
  return found;
}

function isCidr(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  const bits = isIP(address) === 4 ? 32 : 128;
  return (
    isIP(address) !== 0 && rest.length === 0 && (prefix === undefined || (/^\d+$/.test(prefix) && +prefix <= bits))
  );
}

/**
 * Returns the configuration file, for the roles that need one.
 * @throws UserError `no-config`
 */
export function configFileOf(settings: MasterSettings): string {
  if (settings.configFile) return settings.configFile;
  throw new UserError('no-config', `a ${settings.role} needs a configuration: set MILLRACE_CONFIG to its file`, {
    setting: 'MILLRACE_CONFIG',
  });
}
