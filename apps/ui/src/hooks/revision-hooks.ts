import type { CompiledHook } from '@millrace/contracts';
import type { CatalogReads } from '@millrace/database';
import { OperationalError } from '@millrace/domain';
import { ConfiguredHooks } from '@millrace/master/hooks';

/** `NodeJS.ProcessEnv`: where the variables are that a configuration names for the secrets of its hooks. */
export const HOOK_ENVIRONMENT = Symbol('HOOK_ENVIRONMENT');

/** How long the revision in force is believed to be in force still. Deliveries may come by the hundred. */
const BELIEVED_MS = 1_000;

/**
 * The hooks of the revision that the schedulers have in force. The UI loads no configuration, so the secrets are those of its own
 * environment.
 */
export class RevisionHooks extends ConfiguredHooks {
  private known: { readonly hooks: Promise<readonly CompiledHook[]>; readonly atMs: number } | null = null;

  constructor(
    private readonly catalog: CatalogReads,
    private readonly env: Readonly<Record<string, string | undefined>>,
  ) {
    super();
  }

  all(): Promise<readonly CompiledHook[]> {
    const nowMs = performance.now();
    if (this.known === null || nowMs - this.known.atMs > BELIEVED_MS) {
      this.known = { hooks: this.read(), atMs: nowMs };
      this.known.hooks.catch(() => (this.known = null));
    }
    return this.known.hooks;
  }

  secretOf({ name, secretEnv }: CompiledHook): string {
    const secret = secretEnv === undefined ? undefined : this.env[secretEnv];
    if (secret) return secret;
    const how =
      secretEnv === undefined
        ? 'restart the schedulers, whose release does not say which variable holds it'
        : `set ${secretEnv} in the environment of the UI, or deliver to a scheduler`;
    throw new OperationalError('no-secret', `this UI does not know the secret of hook '${name}': ${how}`, {
      setting: secretEnv ?? null,
    });
  }

  /** @throws OperationalError `not-stored` */
  private async read(): Promise<readonly CompiledHook[]> {
    try {
      return (await this.catalog.currentRevision())?.config.hooks ?? [];
    } catch (cause) {
      const why = 'the hooks cannot be read: send the delivery again later';
      throw new OperationalError('not-stored', why, {}, { cause });
    }
  }
}
