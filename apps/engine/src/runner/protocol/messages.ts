import { ConfigError, type ConfigSnapshot, type Problem } from '@millrace/config';
import type { BuildJob, BuildOutcome, ServiceMethod } from './build-services.js';
import { FencedError, MillraceError, messageOf, OperationalError } from '@millrace/domain';

/** A configuration as the runner loads it. Without a snapshot the file itself is read, and must have that fingerprint. */
export interface Generation {
  readonly configFile: string;
  readonly fingerprint: string;
  readonly snapshot: ConfigSnapshot | null;
  /** Environment of the threads. */
  readonly env: Readonly<Record<string, string>>;
}

export interface RunnerLimits {
  readonly threadMemoryMb: number;
  /** Threads kept ready in addition to the building ones. */
  readonly warmThreads: number;
  /** Time that a stopped step has before its thread is ended, when the thread does not answer either. */
  readonly stopGraceMs: number;
}

export interface SentError {
  readonly code: string | null;
  readonly message: string;
  readonly stack: string | null;
  readonly problems: readonly Problem[] | null;
}

/** A build's call to its engine, and the answer. `call` numbers are unique within a build. */
export interface ServiceCall {
  readonly kind: 'call';
  readonly call: number;
  readonly method: ServiceMethod;
  readonly args: readonly unknown[];
}
export interface ServiceReply {
  readonly kind: 'reply';
  readonly call: number;
  readonly value?: unknown;
  readonly error?: SentError;
}

export type ToThread =
  { readonly kind: 'run'; readonly job: BuildJob } | { readonly kind: 'stop'; readonly reason: string } | ServiceReply;
export type FromThread =
  | { readonly kind: 'ready'; readonly snapshot: ConfigSnapshot; readonly threadId: number | null }
  | { readonly kind: 'load-failed'; readonly error: SentError }
  | { readonly kind: 'step'; readonly step: { readonly number: number; readonly name: string } | null }
  | ServiceCall
  | { readonly kind: 'done'; readonly outcome: BuildOutcome };

export type ToRunner =
  | { readonly kind: 'configure'; readonly limits: RunnerLimits }
  /** A configuration that later messages name by its fingerprint. */
  | { readonly kind: 'generation'; readonly generation: Generation }
  | { readonly kind: 'load'; readonly fingerprint: string }
  | { readonly kind: 'run'; readonly job: BuildJob }
  | { readonly kind: 'stop'; readonly buildId: number; readonly reason: string }
  | { readonly kind: 'drop'; readonly buildId: number; readonly reason: string }
  | { readonly kind: 'reply'; readonly buildId: number; readonly reply: ServiceReply };
export type FromRunner =
  | { readonly kind: 'loaded'; readonly fingerprint: string; readonly snapshot: ConfigSnapshot }
  | { readonly kind: 'load-failed'; readonly fingerprint: string; readonly error: SentError }
  | { readonly kind: 'call'; readonly buildId: number; readonly call: ServiceCall }
  | { readonly kind: 'done'; readonly buildId: number; readonly outcome: BuildOutcome }
  | { readonly kind: 'stall'; readonly buildId: number; readonly step: string | null; readonly ms: number };

export function toSent(error: unknown): SentError {
  return {
    code: error instanceof MillraceError ? error.code : null,
    message: messageOf(error),
    stack: error instanceof Error ? (error.stack ?? null) : null,
    problems: error instanceof ConfigError ? error.problems : null,
  };
}

/** Restores an error with the class that matters to the receiver. */
export function fromSent(error: SentError): Error {
  if (error.problems) return new ConfigError(error.problems);
  if (error.code === 'fenced') return new FencedError(error.message.replace(/^no longer the owner of /, ''));
  return new OperationalError(error.code ?? 'host-call-failed', error.message, { stack: error.stack });
}
