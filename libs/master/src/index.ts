export { addCertificateMetrics } from './certificate-metrics.js';
export { Ambers } from './ambers.js';
export { ConfigurationStanding } from './configuration-standing.js';
export { ConfigSight } from './config-sight.js';
export { OnCommand } from './on-command.js';
export { type BusState, type HintHandler, Hints } from './hints.js';
export { httpAdapter, type ListenerOptions } from './http-listener.js';
export { Lease } from './lease.js';
export { type Logger } from './logging.js';
export { Loop, type LoopOptions } from './loop.js';
export { errorAnswer, httpStatusOf, MillraceErrorFilter } from './millrace-error.filter.js';
export { MasterPhase } from './phase.js';
export { portRefused } from './ports.js';
export { runMaster } from './run-master.js';
export {
  configFileOf,
  type EngineSettings,
  type HookSettings,
  type MasterSettings,
  readSettings,
  type SchedulerSettings,
  type UiSettings,
} from './settings.js';
export { madeOfDatabase, STORES } from './stores.js';
export { TlsIdentity } from './tls-identity.js';
export { DATABASE, LOG, ME, SETTINGS } from './tokens.js';
export { VERSION } from './version.js';
