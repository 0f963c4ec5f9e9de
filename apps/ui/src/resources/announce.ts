import { type Hint, hints } from '@millrace/contracts';
import type { CreatedBuildset } from '@millrace/database';
import type { JsonValue } from '@millrace/domain';

/** Tells of a new buildset, and is what whoever asked for it is answered: its id, and builder → request. */
export function announce(publish: (hint: Hint) => void, { buildsetId, requests }: CreatedBuildset): JsonValue {
  for (const { requestId, builderId } of requests) {
    publish(hints.request(requestId, builderId, 'new'));
    publish(hints.queued(builderId));
  }
  publish(hints.buildset(buildsetId, 'new'));
  return [buildsetId, Object.fromEntries(requests.map((request) => [String(request.builderId), request.requestId]))];
}
