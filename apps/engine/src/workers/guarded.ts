import { messageOf } from '@millrace/domain';
import type { Logger } from '@millrace/master';

/** What a client's bytes lead to: whatever is thrown there ends that client, and nothing else. */
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
