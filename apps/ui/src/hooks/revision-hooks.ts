import type { CompiledHook, CompiledWww } from '@millrace/contracts';
import type { CatalogReads } from '@millrace/database';
import { OperationalError } from '@millrace/domain';
import { ConfigSight } from '@millrace/master';
import { ConfiguredHooks } from '@millrace/master/hooks';

/** `NodeJS.ProcessEnv`: where the variables are that a configuration names for the secrets of its hooks. */
export const HOOK_ENVIRONMENT = Symbol('HOOK_ENVIRONMENT');

/** How long the revision in force is believed to be in force still. Deliveries may come by the hundred. */
const BELIEVED_MS = 1_000;
/** Stands for all hooks that strangers do not see. No hook can be called so. */
const HIDDEN = '(hidden)';

/** What a revision says about hooks, and who people are. */
interface Said {
  readonly hooks: readonly CompiledHook[];
  /** Names of the hooks that everybody sees. */
  readonly seen: ReadonlySet<string>;
  readonly www: CompiledWww;
}

/**
 * The hooks of the revision that the schedulers have in force. The UI loads no configuration, so the secrets are those of its own
 * environment.
 */
export class RevisionHooks extends ConfiguredHooks {
  private known: { readonly said: Promise<Said>; readonly atMs: number } | null = null;

  constructor(
    private readonly catalog: CatalogReads,
    private readonly env: Readonly<Record<string, string | undefined>>,
  ) {
    super();
  }

  async all(): Promise<readonly CompiledHook[]> {
    return (await this.said()).hooks;
  }

  async www(): Promise<CompiledWww> {
    return (await this.said()).www;
  }

  /** Whoever reaches the UI may read its metrics, so that these name no hook of a hidden project. */
  async countedAs({ name }: CompiledHook): Promise<string> {
    return (await this.said()).seen.has(name) ? name : HIDDEN;
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
  private said(): Promise<Said> {
    const nowMs = performance.now();
    if (this.known === null || nowMs - this.known.atMs > BELIEVED_MS) {
      this.known = { said: this.read(), atMs: nowMs };
      this.known.said.catch(() => (this.known = null));
    }
    return this.known.said;
  }

  /** @throws OperationalError `not-stored` */
  private async read(): Promise<Said> {
    try {
      const config = (await this.catalog.currentRevision())?.config;
      if (!config) return { hooks: [], seen: new Set(), www: {} };
      const { hooks, www = {} } = config;
      const sight = new ConfigSight(config).of(null);
      return { hooks, seen: new Set(sight?.hookNames ?? hooks.map(({ name }) => name)), www };
    } catch (cause) {
      const why = 'the hooks cannot be read: send the delivery again later';
      throw new OperationalError('not-stored', why, {}, { cause });
    }
  }
}
