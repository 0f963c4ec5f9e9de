import { messageOf } from '@millrace/domain';
import { startRouter } from './router.js';
import { routerOptionsFrom } from './settings.js';

const isSupervised = process.env['MILLRACE_SUPERVISED'] === '1';
// A supervisor that died while this process was being loaded is not heard of again.
if (isSupervised && !process.connected) process.exit(0);
try {
  const router = await startRouter({
    ...routerOptionsFrom(process.env),
    log: (event, fields) => process.stderr.write(`${JSON.stringify({ event, ...fields })}\n`),
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
  process.stderr.write(`router: ${messageOf(error)}\n`);
  process.exit(1);
}
