import { messageOf } from '@millrace/domain';
import { getSystemErrorMap } from 'node:util';

/** What Node says in words of its own, in those of POSIX systems: people search for them. */
const SAID_OTHERWISE: Readonly<Record<string, string>> = {
  EBUSY: 'device or resource busy',
  EEXIST: 'file exists',
  EISDIR: 'is a directory',
  ELOOP: 'too many levels of symbolic links',
  ENAMETOOLONG: 'file name too long',
};

export function isSystemError(error: unknown): error is NodeJS.ErrnoException & { errno: number } {
  return error instanceof Error && 'errno' in error && typeof error.errno === 'number';
}

/** Such as `No such file or directory`. */
export function systemErrorText({ errno }: { readonly errno: number }): string {
  const [code = '', said = 'error'] = getSystemErrorMap().get(errno) ?? [];
  const text = SAID_OTHERWISE[code] ?? said;
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Why something went wrong, for whoever knows what was tried. */
export function reasonOf(error: unknown): string {
  return isSystemError(error) ? systemErrorText(error) : messageOf(error);
}
