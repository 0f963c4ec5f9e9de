import type { Renderable } from '@millrace/config';
import type { JsonValue } from '@millrace/domain';

/** A secret on a command line or in the environment. The command gets `value`; logs, pages and problems show `obfuscated`. */
export interface Obfuscated {
  readonly obfuscated: string;
  readonly value: Renderable<string>;
}

export function isObfuscated(value: unknown): value is Obfuscated {
  return (
    typeof value === 'object' &&
    value !== null &&
    'obfuscated' in value &&
    typeof value.obfuscated === 'string' &&
    'value' in value
  );
}

/** Returns a value with its secrets replaced by their obfuscated form. */
export function withoutSecrets(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (isObfuscated(value)) return { obfuscated: value.obfuscated };
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutSecrets(item)]));
}
