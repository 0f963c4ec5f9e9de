import { buildsetCreated } from '@millrace/contracts';
import type { CreatedBuildset } from '@millrace/database';
import type { Hints } from '@millrace/master';

/** Publishes the hints of a committed buildset. */
export function announceBuildset(to: Pick<Hints, 'publish'>, buildset: CreatedBuildset): void {
  for (const hint of buildsetCreated(buildset)) to.publish(hint);
}
