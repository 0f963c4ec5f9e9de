import type { ConfigHost } from '@millrace/config';
import type { CompiledConfig } from '@millrace/contracts';
import type { DefinitionIds } from '@millrace/database';

/** One configuration revision, stored, with the thread that its callbacks run in. */
export interface Revision {
  readonly host: ConfigHost;
  readonly config: CompiledConfig;
  readonly ids: DefinitionIds;
}
