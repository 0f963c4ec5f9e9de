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

/** Everything a master is told from outside, read once at start; nothing else reads the environment. */
export interface MasterSettings {
  readonly role: MasterRole;
  /** Started over IPC by a supervisor, without which it has no reason to run. */
  readonly isSupervised: boolean;
  /** Unique in the cluster; the same over restarts. */
  readonly name: string;
  readonly databaseUrl: string;
  readonly busUrl: string;
  readonly busRealm: string;
  readonly busPrefix: string;
  readonly busAuthId: string | null;
  readonly busTicket: string | null;
  /** Health and metrics; for ui also the pages and the API. */
  readonly httpHost: string;
  readonly httpPort: number;
  /** Where people find the UI, without a slash at its end; links are made from it. */
  readonly publicUrl: string;
  /** By which names every HTTP listener of this master may be called, and whose pages may call it. */
  readonly listenerRule: ListenerRule;
  /** ui: connections to `/ws`, all together and those of one address; loopback, where a proxy may be, is not counted by address. */
  readonly wsMax: number;
  readonly wsMaxPerAddress: number;
  readonly leaseMs: number;
  /** How late a lost hint is noticed at most (I1). */
  readonly pollIntervalMs: number;
  readonly configFile: string | null;
  readonly dataFolder: string;
  readonly logLevel: string;
  /** engine: where workers connect. */
  readonly workerHost: string;
  readonly workerPort: number;
  /** engine: further ports for workers, each for one protocol; null: none. */
  readonly workerPbPort: number | null;
  readonly workerMsgpackPort: number | null;
  /** engine: with these all of the workers' ports speak TLS, and only that. */
  readonly workerTls: { readonly certFile: string; readonly keyFile: string } | null;
  /** engine: CIDRs of balancers whose connections begin with a PROXY header (v2). */
  readonly workerProxyFrom: readonly string[];
  /** engine: connections of workers at a time; null: as many as the operating system allows. */
  readonly workerMax: number | null;
  /** Connections of one address that may wait for their login at a time. */
  readonly workerLoginsPerAddress: number;
  /** engine: how long a build without an engine waits for its worker to come back with it. */
  readonly resumeWaitMs: number;
  /** engine: memory for the build steps of one runner thread. */
  readonly runnerMemoryMb: number;
  /** scheduler: the trigger API's own listener. */
  readonly triggerHost: string;
  readonly triggerPort: number;
  readonly triggerToken: string | null;
}

const DEFAULT_HTTP_PORT: Record<MasterRole, number> = { ui: 8010, scheduler: 8011, engine: 8012 };

/** Shorter ones are guessed. */
const MIN_TOKEN_CHARACTERS = 16;

/** @throws UserError `bad-settings` listing every malformed value */
export function readSettings(role: MasterRole, env: NodeJS.ProcessEnv = process.env): MasterSettings {
  const problems: string[] = [];
  const text = (name: string, otherwise: string): string => env[name] || otherwise;
  const optional = (name: string): string | null => env[name] || null;
  const secret = (name: string, least: number): string | null => {
    const value = env[name];
    if (value === undefined) return null;
    // An empty one comes from an empty file, and would leave open what was to be closed.
    if (value.length < least)
      problems.push(`${name} has ${value.length} characters: expected at least ${least}, or leave it out altogether`);
    return value;
  };
  const integer = (name: string, otherwise: number, min: number, max: number): number => {
    const raw = env[name];
    if (!raw) return otherwise;
    const value = Number(raw);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    problems.push(`${name} is '${quoted(raw)}': expected a whole number from ${min} to ${max}`);
    return otherwise;
  };
  const dataFolder = resolve(text('MILLRACE_DATA', '.millrace'));
  const publicUrl = text('MILLRACE_URL', `http://localhost:${DEFAULT_HTTP_PORT.ui}`).replace(/\/+$/, '');
  const isUrl = /^https?:\/\/./i.test(publicUrl) && URL.canParse(publicUrl);
  if (!isUrl) problems.push(`MILLRACE_URL is '${quoted(publicUrl)}': expected a URL like https://ci.example.org`);
  const allowedHosts = readAllowedHosts(env.MILLRACE_ALLOWED_HOSTS ?? '', problems);
  const settings: MasterSettings = {
    role,
    isSupervised: env.MILLRACE_SUPERVISED === '1',
    name: text('MILLRACE_NAME', `${role}@${hostname()}`),
    databaseUrl: text('MILLRACE_DB', `sqlite:${dataFolder}/millrace.sqlite`),
    busUrl: text('MILLRACE_BUS', 'none:'),
    busRealm: text('MILLRACE_BUS_REALM', 'realm1'),
    busPrefix: text('MILLRACE_BUS_PREFIX', 'org.millrace'),
    busAuthId: optional('MILLRACE_BUS_USER'),
    busTicket: secret('MILLRACE_BUS_TICKET', 1),
    httpHost: text('MILLRACE_HTTP_HOST', '127.0.0.1'),
    httpPort: integer('MILLRACE_HTTP_PORT', DEFAULT_HTTP_PORT[role], 0, 65535),
    publicUrl,
    listenerRule: listenerRule({ publicUrl: isUrl ? publicUrl : null, allowedHosts, machine: hostname() }),
    wsMax: integer('MILLRACE_WS_MAX', 2000, 1, 100_000),
    wsMaxPerAddress: integer('MILLRACE_WS_MAX_PER_ADDRESS', 1000, 1, 100_000),
    leaseMs: integer('MILLRACE_LEASE_MS', 10_000, 500, 600_000),
    pollIntervalMs: integer('MILLRACE_POLL_MS', 2000, 50, 600_000),
    configFile: env.MILLRACE_CONFIG ? resolve(env.MILLRACE_CONFIG) : null,
    dataFolder,
    logLevel: text('MILLRACE_LOG_LEVEL', 'info'),
    workerHost: text('MILLRACE_WORKER_HOST', '127.0.0.1'),
    workerPort: integer('MILLRACE_WORKER_PORT', 9989, 0, 65535),
    workerPbPort: env.MILLRACE_WORKER_PB_PORT ? integer('MILLRACE_WORKER_PB_PORT', 0, 0, 65535) : null,
    workerMsgpackPort: env.MILLRACE_WORKER_MSGPACK_PORT ? integer('MILLRACE_WORKER_MSGPACK_PORT', 0, 0, 65535) : null,
    workerTls: workerTls(env, problems),
    workerProxyFrom: workerProxyFrom(env, problems),
    workerLoginsPerAddress: integer('MILLRACE_WORKER_LOGINS_PER_ADDRESS', 1000, 1, 1_000_000),
    workerMax: env.MILLRACE_WORKER_MAX ? integer('MILLRACE_WORKER_MAX', 0, 1, 1_000_000) : null,
    resumeWaitMs: integer('MILLRACE_RESUME_WAIT_MS', 300_000, 0, 86_400_000),
    runnerMemoryMb: integer('MILLRACE_RUNNER_MEMORY_MB', 512, 32, 65_536),
    triggerHost: text('MILLRACE_TRIGGER_HOST', '127.0.0.1'),
    triggerPort: integer('MILLRACE_TRIGGER_PORT', 8020, 0, 65535),
    triggerToken: role === 'scheduler' ? secret('MILLRACE_TRIGGER_TOKEN', MIN_TOKEN_CHARACTERS) : null,
  };
  if (!['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'].includes(settings.logLevel)) {
    problems.push(
      `MILLRACE_LOG_LEVEL is '${quoted(settings.logLevel)}': expected trace, debug, info, warn, error, fatal or silent`,
    );
  }
  if (problems.length > 0) throw new UserError('bad-settings', problems.join('\n'), { problems });
  return settings;
}

/** A value in a message: an address could hold a password, and a terminal would obey control characters. */
function quoted(value: string): string {
  return printable(redactAddresses(value.slice(0, 1000)), 100);
}

function workerTls(env: NodeJS.ProcessEnv, problems: string[]): MasterSettings['workerTls'] {
  const { MILLRACE_WORKER_TLS_CERT: cert, MILLRACE_WORKER_TLS_KEY: key } = env;
  if (!cert && !key) return null;
  if (cert && key) return { certFile: resolve(cert), keyFile: resolve(key) };
  problems.push('MILLRACE_WORKER_TLS_CERT and MILLRACE_WORKER_TLS_KEY belong together: set both or neither');
  return null;
}

/** Whom to believe has to be said: a header from anybody else could claim any address. */
function workerProxyFrom(env: NodeJS.ProcessEnv, problems: string[]): string[] {
  const { MILLRACE_WORKER_PROXY_PROTOCOL: mode = 'off', MILLRACE_WORKER_PROXY_FROM: from = '' } = env;
  if (mode === 'off' || mode === '') return [];
  if (mode !== 'v2') {
    problems.push(`MILLRACE_WORKER_PROXY_PROTOCOL is '${quoted(mode)}': expected off or v2`);
    return [];
  }
  const cidrs = from
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);
  if (cidrs.length === 0) {
    problems.push('MILLRACE_WORKER_PROXY_FROM has to name the balancers, such as 10.0.0.5,10.1.0.0/16');
  }
  for (const cidr of cidrs) {
    if (!isCidr(cidr)) problems.push(`MILLRACE_WORKER_PROXY_FROM has '${quoted(cidr)}': expected an address or a CIDR`);
  }
  return cidrs;
}

function isCidr(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  const bits = isIP(address) === 4 ? 32 : 128;
  return (
    isIP(address) !== 0 && rest.length === 0 && (prefix === undefined || (/^\d+$/.test(prefix) && +prefix <= bits))
  );
}

/** @throws UserError `no-config` for the roles that cannot do without a configuration */
export function configFileOf(settings: MasterSettings): string {
  if (settings.configFile) return settings.configFile;
  throw new UserError('no-config', `a ${settings.role} needs a configuration: set MILLRACE_CONFIG to its file`, {
    setting: 'MILLRACE_CONFIG',
  });
}
