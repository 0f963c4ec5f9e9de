import { ChangeSourceEntity } from '../entities/definitions.js';
import { assertOwner, type Ownership } from '../ownerships.js';
import type { Database } from '../sql.js';

/** The state of a change source: all is well, some of it is left out, or it cannot be polled at all. */
export type SourceState = { readonly state: 'ok' } | { readonly state: 'partial' | 'failing'; readonly error: string };

/** States of change sources. The master that polls a change source writes its state when it changes. */
export class ChangeSourceStore {
  constructor(private readonly db: Database) {}

  /**
   * Stores a state. `state_since_ms` is when the state changed; another reason for the same state does not change it.
   * @throws FencedError
   */
  async setState(owner: Ownership, name: string, now: SourceState): Promise<void> {
    await this.db.transaction(async (tx) => {
      await assertOwner(tx, owner);
      const sources = await tx.repository(ChangeSourceEntity);
      const before = await sources.findOneBy({ name });
      if (!before) return;
      await sources.update(
        { id: before.id },
        {
          state: now.state,
          error: now.state === 'ok' ? null : now.error,
          ...(before.state === now.state ? {} : { stateSinceMs: () => tx.dialect.nowMs }),
        },
      );
    });
  }
}
