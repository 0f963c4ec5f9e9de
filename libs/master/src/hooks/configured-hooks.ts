import type { CompiledHook, CompiledWww } from '@millrace/contracts';

/** The hooks of the configuration in force, and their secrets. */
export abstract class ConfiguredHooks {
  abstract all(): Promise<readonly CompiledHook[]>;

  /** Returns the name under which deliveries to a hook are counted. */
  abstract countedAs(hook: CompiledHook): Promise<string>;

  /** Returns what the configuration says about who people are and what they may do. */
  abstract www(): Promise<CompiledWww>;

  /**
   * Returns the secret of a hook that has one.
   * @throws OperationalError `no-secret` when this master does not know it
   */
  abstract secretOf(hook: CompiledHook): string;
}
