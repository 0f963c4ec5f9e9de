export { type HintHandler, type Hints } from './control/client.js';
export { httpAdapter, type ListenerOptions } from './http-listener.js';
export { type Logger } from './logging.js';
export { Loop, type LoopOptions } from './loop.js';
export { OutageGuard } from './outage-guard.js';
export { type Master, type MasterParts } from './master.js';
export { portRefused, runMaster, VERSION } from './run-master.js';
export { configFileOf, type MasterSettings, readSettings } from './settings.js';
