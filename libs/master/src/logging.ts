import { type Logger, pino } from 'pino';
import type { MasterSettings } from './settings.js';

export type { Logger };

/** One JSON object a line on standard output; `millrace start` makes it readable. */
export function createLogger(settings: Pick<MasterSettings, 'logLevel' | 'role' | 'name'>): Logger {
  return pino({
    level: settings.logLevel,
    base: { role: settings.role, master: settings.name },
    redact: { paths: ['password', 'ticket', 'token', '*.password', '*.ticket', '*.token'], censor: '***' },
  });
}
