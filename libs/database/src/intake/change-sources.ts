import { ChangeSourceEntity } from '../entities/definitions.js';
import { assertOwner, type Ownership } from '../ownerships.js';
import type { Database } from '../sql.js';

/** How a change source fares: all is well, some of it is left out, or it cannot be asked at all. */
export type SourceState = { readonly state: 'ok' } | { readonly state: 'partial' | 'failing'; readonly error: string };

/** What is known of change sources; written by the one that asks them, when it changes. */
export class ChangeSourceStore {
  constructor(private readonly db: Database) {}

  /** `state_since_ms` is when the state became another; another reason for the same one leaves it. @throws FencedError */
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
