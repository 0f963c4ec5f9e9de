import type { JsonValue, Properties } from '@millrace/domain';
import { BuildPropertiesLimit, STEP_LIMITS } from './step-limits.js';

/** The build's properties, and which of them have to be stored yet. */
export class BuildProperties {
  private readonly changed = new Map<string, readonly [JsonValue, string]>();
  private readonly limit = new BuildPropertiesLimit();

  constructor(public current: Properties) {}

  /**
   * Sets a property.
   * @throws UserError as `BuildPropertiesLimit`; nothing is set then
   */
  set(name: string, value: JsonValue, source: string): void {
    this.limit.add(name, value);
    const entry = [value, source.slice(0, STEP_LIMITS.propertyNameCharacters)] as const;
    this.changed.set(name, entry);
    // A computed name, so that `__proto__` is an ordinary property.
    this.current = { ...this.current, [name]: entry };
  }

  takeChanged(): Properties | null {
    if (this.changed.size === 0) return null;
    const taken = Object.fromEntries(this.changed);
    this.changed.clear();
    return taken;
  }
}
