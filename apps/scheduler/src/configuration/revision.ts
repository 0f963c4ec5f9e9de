import type { ConfigHost } from '@millrace/config';
import type { CompiledConfig } from '@millrace/contracts';
import type { DefinitionIds } from '@millrace/database';

/** One stored configuration revision, with the thread that runs its callbacks. */
export interface Revision {
  readonly host: ConfigHost;
  readonly config: CompiledConfig;
  readonly ids: DefinitionIds;
}
