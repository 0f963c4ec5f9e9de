import { harmlessEnvironment } from '@millrace/domain';

/**
 * Returns the environment of the worker that `millrace start` runs. Builds inherit it, so it has the variables that programs need and those
 * listed in `MILLRACE_WORKER_ENV`, and none of the masters' secrets: neither those of Millrace nor those that the configuration reads.
 */
export function workerEnvironment(shared: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const also = (shared['MILLRACE_WORKER_ENV'] ?? '').split(/[\s,]+/).filter(Boolean);
  return { ...harmlessEnvironment(shared, also), MILLRACE_WORKER_PASSWORD: shared['MILLRACE_WORKER_PASSWORD'] };
}
