import { OperationalError, UserError } from '@millrace/domain';

const STATUS: Readonly<Record<string, number>> = { forbidden: 403, 'not-found': 404, 'invalid-path': 404 };

/** The HTTP status of an error: 400 for what the caller can mend, 503 for what may work again later, 500 for our own mistakes. */
export function statusOf(error: unknown): number {
  if (error instanceof UserError) return STATUS[error.code] ?? 400;
  return error instanceof OperationalError ? 503 : 500;
}
