import { buildsetCreated, type Hint } from '@millrace/contracts';
import type { CreatedBuildset } from '@millrace/database';
import type { JsonValue } from '@millrace/domain';

/** Tells of a new buildset, and is what whoever asked for it is answered: its id, and builder → request. */
export function announce(publish: (hint: Hint) => void, created: CreatedBuildset): JsonValue {
  for (const hint of buildsetCreated(created)) publish(hint);
  const { buildsetId, requests } = created;
  return [buildsetId, Object.fromEntries(requests.map((request) => [String(request.builderId), request.requestId]))];
}
