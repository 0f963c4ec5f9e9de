import { readFile } from 'node:fs/promises';
import type { ConnectionOptions } from 'node:tls';
import type { CompiledLdap, LdapUser } from '@millrace/contracts';
import type { Identity } from '@millrace/database';
import { MillraceError } from '@millrace/domain';
import {
  BusyError,
  Client,
  type Entry,
  InvalidCredentialsError,
  NoSuchObjectError,
  ResultCodeError,
  UnavailableError,
} from 'ldapts';
import { Turns } from '../turns.js';
import { distinct } from './claims.js';
import { badAnswer, refused, secretOf, unavailable } from './errors.js';
import type { PasswordProvider, ProviderEnvironment, ProviderKind } from './kind.js';
import { dnOf, filterOf } from './ldap-templates.js';

/** Most groups of a person, and one more. */
const MOST_GROUPS = 501;
/** Attributes that are numbers of 16 bytes and not texts. */
const BYTES = new Set(['objectGUID', 'objectSid', 'GUID']);

/** A directory: people sign in to it as their own entries. */
export const ldap: ProviderKind<CompiledLdap> = {
  kind: 'ldap',
  make(compiled: CompiledLdap, { env }: ProviderEnvironment): PasswordProvider {
    const { kind, name, label, user } = compiled;
    const bindPassword = user.by === 'search' ? secretOf(name, user.bindPasswordEnv, env) : null;
    // A directory that hangs holds these up, and nothing else.
    const turns = new Turns(8, 100);
    return {
      ...{ asks: 'password', kind, name, label },
      check: (username, password) =>
        turns.take(() =>
          connected(compiled, (client) => new Visit(compiled, client, bindPassword).check(username, password)),
        ),
    };
  },
};

/** Opens a connection for one login. */
async function connected<T>(compiled: CompiledLdap, work: (client: Client) => Promise<T>): Promise<T> {
  const { name, url, startTls, caFile, timeoutMs } = compiled;
  let client: Client | null = null;
  try {
    const tlsOptions: ConnectionOptions = { ...(caFile !== null && { ca: await readFile(caFile) }) };
    const isSecure = url.startsWith('ldaps:');
    client = new Client({ url, timeout: timeoutMs, connectTimeout: timeoutMs, ...(isSecure && { tlsOptions }) });
    if (startTls && !isSecure) await client.startTLS({ servername: hostOf(url), ...tlsOptions });
    return await work(client);
  } catch (error) {
    throw error instanceof MillraceError ? error : failureOf(name, error);
  } finally {
    // The answer is known; what becomes of the connection changes nothing.
    await client?.unbind().catch(() => undefined);
  }
}

/** Says what an error means: an answer that cannot be used, or none. */
function failureOf(name: string, error: unknown): MillraceError {
  const isAnswer =
    error instanceof ResultCodeError && !(error instanceof BusyError) && !(error instanceof UnavailableError);
  return isAnswer ? badAnswer(name, `it says ${error.message}`, error) : unavailable(name, error);
}

function hostOf(url: string): string {
  const { hostname } = new URL(url);
  // Addresses are no names of servers for TLS.
  return /^[\d.]+$|^\[/.test(hostname) ? '' : hostname;
}

/** One login, on a connection of its own. */
class Visit {
  constructor(
    private readonly compiled: CompiledLdap,
    private readonly client: Client,
    private readonly bindPassword: string | null,
  ) {}

  /** @param password not empty: a directory takes an empty one for "nobody", and says yes */
  async check(username: string, password: string): Promise<Identity | null> {
    if (password === '') return null;
    const { user } = this.compiled;
    const entry = user.by === 'dn' ? await this.asSelf(user.dn, username, password) : await this.found(user, username);
    if (!entry) return null;
    if (user.by === 'search' && !(await this.bindsAs(entry.dn, password))) return null;
    // Groups may be visible to the account for searching only.
    if (user.by === 'search') await this.client.bind(user.bindDn, this.bindPassword!);
    return this.identityOf(entry, username);
  }

  private async asSelf(template: string, username: string, password: string): Promise<Entry | null> {
    const dn = dnOf(template, username);
    if (!(await this.bindsAs(dn, password))) return null;
    const { searchEntries } = await this.client.search(dn, { scope: 'base', ...this.wanted });
    return searchEntries[0] ?? null;
  }

  /** Searches the entry of a person. Two of one name are nobody: one of them would get the other's rights. */
  private async found(
    { base, filter, bindDn }: Extract<LdapUser, { by: 'search' }>,
    username: string,
  ): Promise<Entry | null> {
    const { name } = this.compiled;
    if (!(await this.bindsAs(bindDn, this.bindPassword!)))
      throw badAnswer(name, `it does not know the account for searching, '${bindDn}', or its password`);
    const { searchEntries } = await this.client.search(base, {
      ...{ scope: 'sub', filter: filterOf(filter, { user: username, dn: '' }), sizeLimit: 2 },
      ...this.wanted,
    });
    if (searchEntries.length > 1) throw refused(name, `it knows several people named '${username}'`);
    return searchEntries[0] ?? null;
  }

  private async identityOf(entry: Entry, given: string): Promise<Identity> {
    const { name, attributes } = this.compiled;
    const textOf = (attribute: string): string | null => (attribute === 'dn' ? entry.dn : firstText(entry[attribute]));
    const subject = textOf(attributes.subject);
    if (subject === null)
      throw badAnswer(
        name,
        `entries have no '${attributes.subject}': set attributes.subject to one that never changes, or to 'dn'`,
      );
    const username = textOf(attributes.username);
    if (username === null) throw badAnswer(name, `the entry of '${given}' has no '${attributes.username}'`);
    return {
      ...{ subject, username, fullName: textOf(attributes.fullName), email: textOf(attributes.email) },
      groups: await this.groupsOf(entry.dn, username),
    };
  }

  private async groupsOf(dn: string, user: string): Promise<readonly string[]> {
    const { groups } = this.compiled;
    if (!groups) return [];
    const { searchEntries } = await this.client.search(groups.base, {
      ...{
        scope: 'sub',
        filter: filterOf(groups.filter, { dn, user }),
        attributes: [groups.name],
        sizeLimit: MOST_GROUPS,
      },
    });
    return distinct(searchEntries.flatMap((entry) => firstText(entry[groups.name]) ?? []));
  }

  private get wanted(): { attributes: string[]; explicitBufferAttributes: string[] } {
    const names = Object.values(this.compiled.attributes).filter((attribute) => attribute !== 'dn');
    return { attributes: names, explicitBufferAttributes: names.filter((attribute) => BYTES.has(attribute)) };
  }

  private async bindsAs(dn: string, password: string): Promise<boolean> {
    try {
      await this.client.bind(dn, password);
      return true;
    } catch (error) {
      if (error instanceof InvalidCredentialsError || error instanceof NoSuchObjectError) return false;
      throw error;
    }
  }
}

function firstText(value: Entry[string] | undefined): string | null {
  const first = Array.isArray(value) ? value[0] : value;
  if (first === undefined || first.length === 0) return null;
  return typeof first === 'string' ? first : first.toString('hex');
}
