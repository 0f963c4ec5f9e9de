import type { Hint } from '@millrace/contracts';
import type { Database } from '@millrace/database';
import type { ListenerRule } from '@millrace/domain';

/** What this role needs of its master process; `Master` of `@millrace/master` is one. */
export interface UiHost {
  readonly db: Database;
  readonly hints: {
    readonly state: 'connected' | 'connecting' | 'off';
    publish(hint: Hint): void;
    subscribe(prefix: string, handler: (topic: string, payload: Hint['payload']) => void): () => void;
    onState(listener: (state: 'connected' | 'connecting' | 'off') => void): () => void;
  };
  readonly log: {
    warn(fields: object, message: string): void;
    error(fields: object, message: string): void;
  };
  readonly settings: {
    readonly publicUrl: string;
    readonly listenerRule: ListenerRule;
    readonly wsMax: number;
    readonly wsMaxPerAddress: number;
    readonly pollIntervalMs: number;
  };
}

export const UI_HOST = Symbol('UI_HOST');
