import { buildsetCreated } from '@millrace/contracts';
import type { CreatedBuildset } from '@millrace/database';
import type { Hints } from '@millrace/master';

/** Tells everybody about a buildset that has been committed. */
export function announceBuildset(to: Pick<Hints, 'publish'>, buildset: CreatedBuildset): void {
  for (const hint of buildsetCreated(buildset)) to.publish(hint);
}
