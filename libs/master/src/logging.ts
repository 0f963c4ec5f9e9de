import { loggable, loggableText } from '@millrace/domain';
import { type DestinationStream, type Logger, pino } from 'pino';
import type { MasterSettings } from './settings.js';

export type { Logger };

/**
 * One JSON object a line on standard output; `millrace start` makes it readable. Everything in it, texts and fields, passes `loggable`:
 * no password, no secret of an address, nothing that drivers hang on their errors, and nothing without an end. (Not what a child
 * logger is made with: give it ids and names only.)
 */
export function createLogger(
  settings: Pick<MasterSettings, 'logLevel' | 'role' | 'name'>,
  destination?: DestinationStream,
): Logger {
  return pino(
    {
      level: settings.logLevel,
      base: { role: settings.role, master: settings.name },
      formatters: {
        log: (fields) => loggable(fields) as Record<string, unknown>,
      },
      // They have been through `loggable`; pino's own copies every property of an error.
      serializers: { err: (err: unknown) => err },
      hooks: {
        logMethod(args, method) {
          // An error alone has its message as the text, which pino takes from it as it is.
          const [first] = args as unknown[];
          const whole = first instanceof Error && args.length === 1 ? [{ err: first }, first.message] : args;
          method.apply(
            this,
            whole.map((arg: unknown) => (typeof arg === 'string' ? loggableText(arg) : arg)) as typeof args,
          );
        },
      },
    },
    ...(destination === undefined ? [] : [destination]),
  );
}
