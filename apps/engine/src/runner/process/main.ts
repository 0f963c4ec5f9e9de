import { constants, setPriority } from 'node:os';
import type { FromRunner, ToRunner } from '../protocol/messages.js';
import { ThreadPool } from './thread-pool.js';

/**
 * The runner process: a child of the engine that holds the threads in which builds run. Its own main thread only passes messages on. It
 * lives exactly as long as the channel to its engine.
 */
setPriority(constants.priority.PRIORITY_BELOW_NORMAL / 2);

// Ctrl-C reaches the whole process group. The engine decides when its runner ends.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => process.exit(0));

const send = (message: FromRunner): void => {
  if (process.connected) process.send?.(message);
};

let pool: ThreadPool | null = null;
process.on('message', (message: ToRunner) => {
  if (message.kind === 'configure') pool = new ThreadPool(message.limits, send);
  else pool?.receive(message);
});
