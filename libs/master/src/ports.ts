import { UserError } from '@millrace/domain';

/** Returns the error for a port that could not be opened. `setting` is the variable that names the port. */
export function portRefused(error: NodeJS.ErrnoException, port: number, setting: string): Error {
  const fields = { port, setting };
  switch (error.code) {
    case 'EADDRINUSE':
      return new UserError(
        'port-taken',
        `port ${port} is taken: stop what uses it, or set ${setting} to another port`,
        fields,
      );
    case 'EACCES':
      return new UserError('port-refused', `port ${port} is not for this user: set ${setting} to another port`, fields);
    default:
      return error;
  }
}
