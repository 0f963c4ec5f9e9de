import type { IncomingHttpHeaders } from 'node:http';
import { BlockList, isIPv6 } from 'node:net';
import type { CompiledProxy } from '@millrace/contracts';
import type { Account } from '@millrace/database';

/** Names of people: without the commas with which Node joins a header that came twice. */
const USERNAME = /^[^\s:,\p{C}]{1,100}$/u;
const EMAIL = /^[^\s@,\p{C}]{1,100}@[^\s@,\p{C}]{1,89}$/u;
const MOST_GROUPS = 100;

/** Returns who a request comes from by the headers of a proxy; null when another address sent it, or it names nobody. */
export function proxyUser(proxy: CompiledProxy, headers: IncomingHttpHeaders, address: string): Account | null {
  const valueOf = (name: string | null): string | null => {
    const value = name === null ? undefined : headers[name];
    return typeof value === 'string' ? value.trim() : null;
  };
  const username = valueOf(proxy.userHeader);
  if (username === null || !USERNAME.test(username) || !isFrom(proxy.from, address)) return null;
  const email = valueOf(proxy.emailHeader);
  const groups = (valueOf(proxy.groupsHeader) ?? '').split(',', MOST_GROUPS).map((group) => group.trim());
  return {
    username,
    fullName: null,
    email: email !== null && EMAIL.test(email) ? email : null,
    groups: groups.filter((group) => group !== '' && group.length <= 190),
  };
}

/** Made once a configuration, because every request asks. */
const lists = new WeakMap<readonly string[], BlockList>();

function isFrom(addresses: readonly string[], address: string): boolean {
  let list = lists.get(addresses);
  if (!list) {
    lists.set(addresses, (list = new BlockList()));
    for (const one of addresses) list.addAddress(one, isIPv6(one) ? 'ipv6' : 'ipv4');
  }
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}
