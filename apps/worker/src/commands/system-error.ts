import { messageOf } from '@millrace/domain';
import { getSystemErrorMap } from 'node:util';

/** Errors for which Node has a text of its own, with the text of POSIX systems, because people search for that. */
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

/** Returns a text such as `No such file or directory`. */
export function systemErrorText({ errno }: { readonly errno: number }): string {
  const [code = '', said = 'error'] = getSystemErrorMap().get(errno) ?? [];
  const text = SAID_OTHERWISE[code] ?? said;
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Returns why an operation failed, for a reader who knows what was tried. */
export function reasonOf(error: unknown): string {
  return isSystemError(error) ? systemErrorText(error) : messageOf(error);
}
