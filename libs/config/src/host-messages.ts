import type { CompiledConfig } from '@millrace/contracts';
import { type JsonValue, messageOf, OperationalError } from '@millrace/domain';
import type { NamedVariables, WorkerDigests } from './compile.js';
import type { GitAccess } from './git-ssh.js';
import type { ConfigSnapshot } from './load.js';
import { ConfigError, type Problem } from './problems.js';

/** Data that the host thread is started with. With a snapshot it loads the same configuration again. */
export interface HostThreadData {
  readonly file: string;
  readonly snapshot: ConfigSnapshot | null;
}

export interface HostRevision {
  readonly revision: CompiledConfig;
  readonly fingerprint: string;
  readonly builderFingerprints: Readonly<Record<string, string>>;
  readonly snapshot: ConfigSnapshot;
  readonly workerDigests: WorkerDigests;
  readonly variables: NamedVariables;
  readonly gitAccesses: ReadonlyMap<string, GitAccess>;
  readonly hookSecrets: ReadonlyMap<string, string>;
}

export interface HostCall {
  readonly id: number;
  readonly handle: string;
  readonly args: readonly JsonValue[];
}

export interface SentError {
  readonly message: string;
  readonly stack: string | undefined;
  readonly problems: readonly Problem[] | null;
}

export type HostMessage =
  | { readonly kind: 'ready'; readonly revision: HostRevision }
  | { readonly kind: 'bad-config'; readonly error: SentError }
  | { readonly kind: 'returned'; readonly id: number; readonly value: JsonValue }
  | { readonly kind: 'threw'; readonly id: number; readonly error: SentError };

/** Longest message of a thrown error, which may be of any size and goes into logs and decisions. */
const MAX_MESSAGE_CHARACTERS = 10_000;

export function sendable(error: unknown): SentError {
  return {
    message: messageOf(error).slice(0, MAX_MESSAGE_CHARACTERS),
    stack: error instanceof Error ? error.stack?.slice(0, MAX_MESSAGE_CHARACTERS) : undefined,
    problems: error instanceof ConfigError ? error.problems : null,
  };
}

export function received(error: SentError, doing: string): Error {
  if (error.problems) return new ConfigError(error.problems);
  return new OperationalError('callback-failed', `${doing}: ${error.message}`, { stack: error.stack });
}
