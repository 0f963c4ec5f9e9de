/**
 * Three causes of failure; log level and reporting follow from the class.
 *
 * `code` is stable and is what callers match on (never the text); `fields` names the offending input.
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

/** Thrown when the caller asked for something that cannot be done; the message says what to do about it. */
export class UserError extends MillraceError {}

/** Thrown when something outside Millrace failed that may work again later (a database, a bus, a forge). */
export class OperationalError extends MillraceError {
  readonly retriable: boolean = true;
}

/** Thrown when Millrace itself is wrong. */
export class UnexpectedError extends MillraceError {}

/** Thrown when a write was guarded by an epoch that is no longer ours: somebody else owns the thing now. Stop (I3). */
export class FencedError extends MillraceError {
  constructor(what: string, fields: Readonly<Record<string, unknown>> = {}) {
    super('fenced', `no longer the owner of ${what}`, fields);
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
