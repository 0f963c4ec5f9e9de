import { buildsetCreated, type Hint } from '@millrace/contracts';
import type { CreatedBuildset } from '@millrace/database';
import type { JsonValue } from '@millrace/domain';

/** Publishes the hints of a new buildset. Returns the answer for the caller: the buildset's id, and build requests by builder. */
export function announce(publish: (hint: Hint) => void, created: CreatedBuildset): JsonValue {
  for (const hint of buildsetCreated(created)) publish(hint);
  const { buildsetId, requests } = created;
  return [buildsetId, Object.fromEntries(requests.map((request) => [String(request.builderId), request.requestId]))];
}
