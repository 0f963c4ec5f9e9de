import type { CompiledHook } from '@millrace/contracts';
import type { JsonValue } from '@millrace/domain';
import type { CallbackTable } from '../callback-table.js';
import type { ObjectReader } from '../object-reader.js';

/**
 * A dialect of hooks: how its options are read, how a delivery proves that it knows the secret, and which changes a delivery stands for. It
 * is pure. `Own` is the dialect's own part of a hook in a revision.
 */
export interface HookDialect<Own extends object = object> {
  readonly name: string;
  /** Reads the dialect's own options. The common options have been read already. */
  compile(reader: ObjectReader, callbacks: CallbackTable): Own;
  proof(hook: CompiledHook & Own): Proof;
  /** Headers that may identify a delivery when it is sent again; the first one that is there does. */
  readonly deliveryHeaders: readonly string[];
  /**
   * Decides what a delivery stands for.
   * @throws UserError `bad-delivery` (or that of `parseJson`) for a delivery that cannot be read
   */
  read(this: void, hook: CompiledHook & Own, delivery: Delivery, answer?: JsonValue): Reading | AskHook;
}

/** How a delivery proves that it knows the secret. Names of headers are in lower case. */
export type Proof =
  /** The header holds the HMAC-SHA-256 of the body, hexadecimal, with or without `sha256=`. */
  | { readonly kind: 'hmac'; readonly header: string }
  /** The header holds the secret. */
  | { readonly kind: 'token'; readonly header: string }
  /** `Authorization: Bearer SECRET`, or the secret as the password of `Basic`. */
  | { readonly kind: 'authorization' };

/** A request from outside, as it is stored. */
export interface Delivery {
  /** Headers by their names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The part of the address behind the question mark. */
  readonly query: string;
}

export type Reading =
  | { readonly kind: 'changes'; readonly changes: readonly HookChange[] }
  /** `reason`: in words, for people who ask why there is no build. */
  | { readonly kind: 'ignored'; readonly reason: string }
  /** These change sources are to be polled now. */
  | { readonly kind: 'poll'; readonly sources: readonly string[] };

/** A question to a callback of the configuration. The delivery is then read again with the answer. */
export interface AskHook {
  readonly kind: 'ask';
  readonly handle: string;
  readonly value: JsonValue;
}

/** A change as a forge describes it. */
export interface HookChange {
  readonly author: string;
  readonly committer: string | null;
  readonly comments: string;
  readonly branch: string | null;
  readonly revision: string | null;
  readonly revlink: string;
  readonly category: string | null;
  readonly repository: string;
  readonly project: string;
  readonly codebase: string;
  /** In ms since 1970; null when the delivery does not say. */
  readonly whenMs: number | null;
  readonly files: readonly string[];
  readonly properties: Readonly<Record<string, JsonValue>>;
  /** Given for a commit that was pushed to a branch: the first parent's revision; null when the delivery does not say it for certain. */
  readonly parent?: string | null;
}
