import type { CompiledProvider, PageProviderCommon } from '@millrace/contracts';
import type { ObjectReader } from '../../object-reader.js';

/** A kind of provider: how its options are read. The UI has its other half, `apps/ui/src/access/providers`. */
export interface ProviderKind {
  readonly kind: CompiledProvider['kind'];
  /** What pages call it, unless the configuration says otherwise. */
  readonly label: string;
  /** Reads the kind's own options. The common ones have been read already. */
  compile(reader: ObjectReader): object;
}

/** What every provider has. */
export interface ProviderOptions {
  /** Together with what the provider calls a person, who it is: people of a provider with another name are other people. Default: the helper's name. */
  readonly name?: string;
  /** What the page calls it. */
  readonly label?: string;
}

/** What every provider with a page of its own has. */
export interface PageProviderOptions extends ProviderOptions {
  readonly clientId: string;
  /** The environment variable of the UIs with the client's secret. */
  readonly clientSecretEnv: string;
  /** A class of Font Awesome, which Buildbot's frontend shows beside the label. */
  readonly icon?: string;
  /** Whether Buildbot's frontend sends strangers there at once. Default false. */
  readonly autologin?: boolean;
}

export const HTTP_URL = {
  accepts: (text: string): boolean => isSafeUrl(text, 'https:', 'http:'),
  expected: 'an address with https:// (http:// on this machine only), without a user name or query',
};
const VARIABLE = {
  accepts: (text: string): boolean => /^[A-Za-z_]\w{0,99}$/.test(text),
  expected: 'the name of an environment variable',
};
const ICON = { accepts: (text: string): boolean => /^fa-[a-z-]{1,30}$/.test(text), expected: "such as 'fa-github'" };
export const FILE = {
  accepts: (text: string): boolean => /^\/[^\0]{1,1000}$/.test(text),
  expected: 'the absolute path of a file',
};
/** An option of `ObjectReader.text`: a text of a setting that is shown to nobody. */
export const SETTING = {
  accepts: (text: string): boolean => /^[^\p{C}]{1,1000}$/u.test(text),
  expected: 'a string of 1 to 1,000 printable characters',
};

export function variable(reader: ObjectReader, key: string): string {
  return reader.text(key, VARIABLE);
}

export function compilePage(reader: ObjectReader, icon: string): Omit<PageProviderCommon, 'name' | 'label'> {
  return {
    clientId: reader.text('clientId', SETTING),
    clientSecretEnv: variable(reader, 'clientSecretEnv'),
    icon: reader.text('icon', { default: icon, ...ICON }),
    autologin: reader.boolean('autologin', false),
  };
}

/** Whether secrets may be sent to an address: it is encrypted, or on this machine. */
export function isSafeUrl(text: string, secure: string, plain: string): boolean {
  if (text.length > 1000 || !URL.canParse(text)) return false;
  const { protocol, hostname, username, password, search, hash } = new URL(text);
  if (hostname === '' || username !== '' || password !== '' || search !== '' || hash !== '') return false;
  return protocol === secure || (protocol === plain && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname));
}
