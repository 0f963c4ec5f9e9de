import { hints } from '@millrace/contracts';
import type { CreatedBuildset } from '@millrace/database';
import type { Hints } from '@millrace/master';

/** Tells everybody about a buildset that has been committed. */
export function announceBuildset(to: Pick<Hints, 'publish'>, buildset: CreatedBuildset): void {
  for (const request of buildset.requests) {
    to.publish(hints.queued(request.builderId));
    to.publish(hints.request(request.requestId, request.builderId, 'new'));
  }
  to.publish(hints.buildset(buildset.buildsetId, 'new'));
}
