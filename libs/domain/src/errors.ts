/**
 * Base class of all errors. There are three causes of failure; log level and reporting follow from the class.
 *
 * `code` is stable, and callers compare it (never the text). `fields` names the offending input.
 */
export abstract class MillraceError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly fields: Readonly<Record<string, unknown>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Thrown when the caller asked for something that cannot be done. The message says what to do about it. */
export class UserError extends MillraceError {}

/** Thrown when something outside Millrace failed that may work again later (a database, a bus, a forge). */
export class OperationalError extends MillraceError {
  readonly retriable: boolean = true;
}

/** Thrown when Millrace itself has a bug. */
export class UnexpectedError extends MillraceError {}

/** Thrown when a write was guarded by an epoch that is no longer ours: somebody else owns the row now, so the writer must stop (I3). */
export class FencedError extends MillraceError {
  constructor(what: string, fields: Readonly<Record<string, unknown>> = {}) {
    super('fenced', `no longer the owner of ${what}`, fields);
  }
}

/** Returns the message of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
