import { hostname } from 'node:os';
import { loggable, loggableText, messageOf, PerMinute, printable, UserError } from '@millrace/domain';
import { startRouter } from './router.js';
import { routerOptionsFrom } from './settings.js';

const isSupervised = process.env['MILLRACE_SUPERVISED'] === '1';
// When the supervisor died while this process was loading, no disconnect event follows.
if (isSupervised && !process.connected) process.exit(0);
/** Most log lines per minute. Anybody who reaches the port can cause them. */
const LINES_A_MINUTE = 60;
const lines = new PerMinute(LINES_A_MINUTE);
try {
  const router = await startRouter({
    ...routerOptionsFrom(process.env, hostname()),
    log: (event, fields) => {
      const unsaid = lines.pass(performance.now());
      if (unsaid === null) return;
      const line = loggable({ event, ...fields, ...(unsaid > 0 ? { unsaid } : {}) });
      process.stderr.write(`${JSON.stringify(line)}\n`);
    },
  });
  process.stdout.write(`router listening on ${router.url}\n`);
  const stop = (): void => void router.close().then(() => process.exit(0));
  process.once('SIGTERM', stop);
  // The terminal sends its signals to all processes. The supervisor decides what ends when, and ends the router last.
  if (isSupervised) for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
  else process.once('SIGINT', stop);
  // A router that a supervisor started over IPC ends with its supervisor.
  if (process.connected) process.once('disconnect', stop);
} catch (error) {
  for (const line of loggableText(messageOf(error)).split('\n')) process.stderr.write(`router: ${printable(line)}\n`);
  // An error that a person has to fix is not restarted (sysexits: EX_CONFIG).
  process.exit(error instanceof UserError ? 78 : 1);
}
