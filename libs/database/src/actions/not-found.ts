import { UserError } from '@millrace/domain';

export function notFound(what: string, id: number): UserError {
  return new UserError('not-found', `no ${what} ${id}`, { id });
}
