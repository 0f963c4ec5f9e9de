import { messageOf } from '@millrace/domain';
import { startRouter } from './router.js';
import { routerOptionsFrom } from './settings.js';

// A supervisor that died while this process was being loaded is not heard of again.
if (process.env['MILLRACE_SUPERVISED'] === '1' && !process.connected) process.exit(0);
try {
  const router = await startRouter({
    ...routerOptionsFrom(process.env),
    log: (event, fields) => process.stderr.write(`${JSON.stringify({ event, ...fields })}\n`),
  });
  process.stdout.write(`router listening on ${router.url}\n`);
  const stop = (): void => void router.close().then(() => process.exit(0));
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop);
  // Started by a supervisor over IPC: when that is gone, so is the reason to run.
  if (process.connected) process.once('disconnect', stop);
} catch (error) {
  process.stderr.write(`router: ${messageOf(error)}\n`);
  process.exit(1);
}
