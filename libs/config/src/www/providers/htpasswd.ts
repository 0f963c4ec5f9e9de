import { locate } from '../../location.js';
import { FILE, type ProviderKind, type ProviderOptions } from './kind.js';

export interface HtpasswdOptions extends ProviderOptions {
  /** Absolute path of the file, on the machines of the UIs. It is read again when it changes. */
  readonly file: string;
}

export interface HtpasswdDefinition extends HtpasswdOptions {
  readonly kind: 'htpasswd';
}

/** People sign in with the passwords of a file of Apache's `htpasswd`: bcrypt, apr1 or SHA-512. */
export function htpasswd(options: HtpasswdOptions): HtpasswdDefinition {
  return locate(htpasswd, { ...options, kind: 'htpasswd' });
}

export const htpasswdKind: ProviderKind = {
  kind: 'htpasswd',
  label: 'password file',
  compile: (reader) => ({ file: reader.text('file', FILE) }),
};
