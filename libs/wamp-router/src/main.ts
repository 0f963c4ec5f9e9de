import { messageOf } from '@millrace/domain';
import { startRouter } from './router.js';
import { routerOptionsFrom } from './settings.js';

try {
  const router = await startRouter({
    ...routerOptionsFrom(process.env),
    log: (event, fields) => process.stderr.write(`${JSON.stringify({ event, ...fields })}\n`),
  });
  process.stdout.write(`router listening on ${router.url}\n`);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void router.close());
} catch (error) {
  process.stderr.write(`router: ${messageOf(error)}\n`);
  process.exitCode = 1;
}
