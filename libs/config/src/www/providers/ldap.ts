import type { CompiledLdap, LdapUser } from '@millrace/contracts';
import { locate } from '../../location.js';
import type { ObjectReader } from '../../object-reader.js';
import { FILE, isSafeUrl, type ProviderKind, type ProviderOptions, SETTING, variable } from './kind.js';

export interface LdapOptions extends ProviderOptions {
  /** `ldaps://HOST`, or `ldap://HOST` with `startTls`. */
  readonly url: string;
  /** Whether a plain connection is encrypted before anything is said. Default false. */
  readonly startTls?: boolean;
  /** A file with the certificates that the server's has to be signed by. Default: those of the system. */
  readonly caFile?: string;
  /** Time for each answer. Default 10. */
  readonly timeoutSeconds?: number;
  /** The entry of a person, who signs in to the directory as it: `uid={user},ou=people,dc=example,dc=org`. */
  readonly userDn?: string;
  /** Where the entry of a person is searched instead, by the account `bindDn`. */
  readonly userBase?: string;
  /** What is searched. Default `(uid={user})`. */
  readonly userFilter?: string;
  readonly bindDn?: string;
  /** The environment variable of the UIs with the password of `bindDn`. */
  readonly bindPasswordEnv?: string;
  /** Where groups are searched. Without it there are none. */
  readonly groupBase?: string;
  /** Which groups a person is in: `{dn}` is the entry, `{user}` the name. Default `(member={dn})`. */
  readonly groupFilter?: string;
  /** The attribute with the name of a group. Default `cn`. */
  readonly groupName?: string;
  /** The attributes of a person. Defaults: `uid`, `cn`, `mail`, and as `subject`, which never changes, `entryUUID`; `dn` if there is none. */
  readonly attributes?: Partial<CompiledLdap['attributes']>;
}

export interface LdapDefinition extends LdapOptions {
  readonly kind: 'ldap';
}

/** People sign in with their passwords of a directory (LDAP). */
export function ldap(options: LdapOptions): LdapDefinition {
  return locate(ldap, { ...options, kind: 'ldap' });
}

const USER_TEMPLATE = {
  accepts: (text: string): boolean => SETTING.accepts(text) && text.includes('{user}'),
  expected: "a string with '{user}' in it",
};
const FILTER = {
  accepts: (text: string): boolean => SETTING.accepts(text) && /^\(.*\)$/.test(text) && /\{(user|dn)\}/.test(text),
  expected: "a filter in parentheses, with '{user}' or '{dn}' in it",
};
const USER_FILTER = {
  accepts: (text: string): boolean => FILTER.accepts(text) && !text.includes('{dn}'),
  expected: "a filter in parentheses, with '{user}' in it",
};
const ATTRIBUTE = {
  accepts: (text: string): boolean => /^[A-Za-z][\w.;-]{0,99}$/.test(text),
  expected: 'the name of an attribute',
};

export const ldapKind: ProviderKind = {
  kind: 'ldap',
  label: 'directory',
  compile(reader) {
    const startTls = reader.boolean('startTls', false);
    const url = reader.text('url', {
      accepts: (text) => isSafeUrl(text, 'ldaps:', 'ldap:') || (startTls && isSafeUrl(text, 'ldap:', 'ldap:')),
      expected: 'ldaps://HOST, or ldap://HOST with startTls (without it on this machine only)',
    });
    return {
      ...{ url, startTls },
      caFile: reader.has('caFile') ? reader.text('caFile', FILE) : null,
      timeoutMs: reader.number('timeoutSeconds', { default: 10, min: 0.1, max: 60 }) * 1000,
      user: compileUser(reader),
      groups: compileGroups(reader),
      attributes: compileAttributes(reader),
    };
  },
};

function compileUser(reader: ObjectReader): LdapUser {
  if (reader.has('userDn')) return { by: 'dn', dn: reader.text('userDn', USER_TEMPLATE) };
  if (!reader.has('userBase'))
    reader.problem('userDn', "the entry of a person such as 'uid={user},ou=people', or userBase");
  return {
    by: 'search',
    base: reader.text('userBase', { default: '', ...SETTING }),
    filter: reader.text('userFilter', { default: '(uid={user})', ...USER_FILTER }),
    bindDn: reader.has('userBase') ? reader.text('bindDn', SETTING) : '',
    bindPasswordEnv: reader.has('userBase') ? variable(reader, 'bindPasswordEnv') : '',
  };
}

function compileGroups(reader: ObjectReader): CompiledLdap['groups'] {
  const name = reader.text('groupName', { default: 'cn', ...ATTRIBUTE });
  const filter = reader.text('groupFilter', { default: '(member={dn})', ...FILTER });
  return reader.has('groupBase') ? { base: reader.text('groupBase', SETTING), filter, name } : null;
}

function compileAttributes(reader: ObjectReader): CompiledLdap['attributes'] {
  const attributes = reader.has('attributes') ? reader.inner('attributes') : null;
  const attribute = (key: string, usual: string): string =>
    attributes === null ? usual : attributes.text(key, { default: usual, ...ATTRIBUTE });
  const found = {
    username: attribute('username', 'uid'),
    fullName: attribute('fullName', 'cn'),
    email: attribute('email', 'mail'),
    subject: attribute('subject', 'entryUUID'),
  };
  attributes?.done();
  return found;
}
