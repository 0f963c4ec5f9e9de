import { loggable, loggableText } from '@millrace/domain';
import { type DestinationStream, type Logger, pino } from 'pino';
import type { MasterSettings } from './settings.js';

export type { Logger };

/**
 * Makes the logger. It writes one JSON object per line to standard output; `millrace start` makes it readable. All texts and fields pass
 * `loggable`: no password, no secret of an address, nothing that drivers attach to their errors, and nothing of unbounded size. The
 * bindings of a child logger do not pass it: give them ids and names only.
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
      // Errors have passed `loggable`. pino's own serializer copies every property of an error.
      serializers: { err: (err: unknown) => err },
      hooks: {
        logMethod(args, method) {
          // For an error without a text pino uses the error's message, which has not passed `loggable`.
          const [first] = args as unknown[];
          const whole = first instanceof Error && args.length === 1 ? [{ err: first }, first.message] : args;
          method.apply(
            this,
            whole.map((arg: unknown) => (typeof arg === 'string' ? loggableText(arg) : arg)) as typeof args,
          );
        },
      },
    },
    destination ?? standardOutput(),
  );
}

/**
 * Returns standard output. When nobody reads it any more, nothing more is written: a supervisor that died with unread lines makes the next
 * write fail with ECONNRESET, which pino would throw, and its last words would wait for ever for the reader.
 */
function standardOutput(): DestinationStream {
  const output = pino.destination({ dest: 1, sync: true });
  const nothing = (): void => undefined;
  output.on('error', () => Object.assign(output, { write: nothing, flushSync: nothing, end: nothing }));
  return output;
}
