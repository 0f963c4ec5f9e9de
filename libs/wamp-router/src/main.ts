import { hostname } from 'node:os';
import { loggable, loggableText, messageOf, PerMinute, printable, UserError } from '@millrace/domain';
import { startRouter } from './router.js';
import { routerOptionsFrom } from './settings.js';

const isSupervised = process.env['MILLRACE_SUPERVISED'] === '1';
// A supervisor that died while this process was being loaded is not heard of again.
if (isSupervised && !process.connected) process.exit(0);
/** Whoever reaches the port can cause them. */
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
  // What a terminal says to everything in it is the supervisor's to decide: the router is the last to go.
  if (isSupervised) for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
  else process.once('SIGINT', stop);
  // Started by a supervisor over IPC: when that is gone, so is the reason to run.
  if (process.connected) process.once('disconnect', stop);
} catch (error) {
  for (const line of loggableText(messageOf(error)).split('\n')) process.stderr.write(`router: ${printable(line)}\n`);
  // What the person has to mend is not restarted (sysexits: EX_CONFIG).
  process.exit(error instanceof UserError ? 78 : 1);
}
