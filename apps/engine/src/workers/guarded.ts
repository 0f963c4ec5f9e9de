import { messageOf } from '@millrace/domain';
import type { Logger } from '@millrace/master';

/** Wraps the handler of a client's input: an error in it ends that client's connection, and nothing else. */
export function guarded<Args extends unknown[]>(
  log: Logger,
  end: () => void,
  action: (...args: Args) => void,
): (...args: Args) => void {
  return (...args) => {
    try {
      action(...args);
    } catch (error) {
      log.error({ err: error }, `a connection of a worker is ended by an error of ours: ${messageOf(error)}`);
      end();
    }
  };
}
