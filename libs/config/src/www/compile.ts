import { isIP } from 'node:net';
import type { CompiledAuth, CompiledProxy, CompiledWww } from '@millrace/contracts';
import { RIGHTS_ACTIONS, RIGHTS_PLACES, type RightsPolicy, type RightsRule, type RoleSource } from '@millrace/domain';
import { ObjectReader, SHORT } from '../object-reader.js';
import { compileAvatars } from './avatars.js';
import { compileProviders } from './providers/compile.js';

/** Headers that mean nothing else. */
const HEADER = /^(X-|Remote-|Oidc[-_]|Forwarded-)[\w-]{1,60}$/i;
const MAX_RULES = 1_000;
const MAX_MEMBERS = 10_000;
const MAX_ROLES = 100;
const HOUR_MS = 3_600_000;
const YEAR_HOURS = 8_784;
const NAME = {
  accepts: (text: string): boolean => text !== '' && SHORT.accepts(text),
  expected: 'a name of 1 to 190 characters',
};
const FOLDER = {
  accepts: (text: string): boolean => /^\/[^\0]{1,1000}$/.test(text),
  expected: 'the absolute path of a folder',
};
const MEMBERS = 'a list of 1 to 190 characters each';

/** Reads `www`; null when it says nothing. */
export function compileWww(top: ObjectReader): CompiledWww | null {
  if (!top.has('www')) return null;
  const reader = top.inner('www');
  const auth = reader.has('auth') ? compileAuth(reader.inner('auth')) : null;
  const authz = reader.has('authz') ? compileAuthz(reader.inner('authz')) : null;
  const stockFrontend = reader.has('stockFrontend') ? reader.text('stockFrontend', FOLDER) : null;
  const avatars = compileAvatars(reader);
  const defaultVisibility = reader.has('defaultVisibility') ? compileVisibleTo(reader, 'defaultVisibility') : null;
  reader.done();
  if (auth === null && authz === null && stockFrontend === null && defaultVisibility === null && avatars === null)
    return null;
  return {
    ...(auth && { auth }),
    ...(authz && { authz }),
    ...(defaultVisibility && { defaultVisibility }),
    ...(stockFrontend !== null && { stockFrontend }),
    ...(avatars !== null && { avatars }),
  };
}

/** Reads who sees a project: a list of roles, which is empty for nobody. */
export function compileVisibleTo(reader: ObjectReader, key: string): readonly string[] {
  const roles = reader.texts(key);
  const isValid = roles.length <= MAX_ROLES && roles.every((role) => NAME.accepts(role));
  if (!isValid) reader.problem(key, `a list of at most ${MAX_ROLES} roles, with 1 to 190 characters each`);
  return roles;
}

function compileAuth(reader: ObjectReader): CompiledAuth {
  const idleHours = reader.number('idleHours', { default: 168, min: 0.01, max: YEAR_HOURS });
  const sessionHours = reader.number('sessionHours', { default: 720, min: 0.01, max: YEAR_HOURS });
  const proxy = reader.has('proxy') ? compileProxy(reader.inner('proxy')) : null;
  const accounts = reader.boolean('accounts', true);
  const providers = compileProviders(reader);
  reader.done();
  return {
    idleMs: Math.round(idleHours * HOUR_MS),
    sessionMs: Math.round(sessionHours * HOUR_MS),
    ...(proxy && { proxy }),
    ...(!accounts && { accounts }),
    ...(providers.length > 0 && { providers }),
  };
}

function compileProxy(reader: ObjectReader): CompiledProxy {
  const header = (key: string): string =>
    reader
      .text(key, {
        accepts: (text) => HEADER.test(text),
        expected: "a header of the proxy's own, such as 'X-Remote-User'",
      })
      .toLowerCase();
  const from = reader.texts('from', { required: true, expected: 'a list of addresses' });
  if (from.length === 0 && Array.isArray(reader.raw('from'))) reader.problem('from', 'at least one address');
  from.forEach((address, index) => {
    if (isIP(address) === 0) reader.into.add(`${reader.at('from')}[${index}]`, address, 'an IP address', reader.where);
  });
  const proxy = {
    from,
    userHeader: header('userHeader'),
    emailHeader: reader.has('emailHeader') ? header('emailHeader') : null,
    groupsHeader: reader.has('groupsHeader') ? header('groupsHeader') : null,
  };
  reader.done();
  return proxy;
}

function compileAuthz(reader: ObjectReader): RightsPolicy {
  const roles = reader.list('roles', (item, path) =>
    compileRoles(new ObjectReader(item, path, reader.into, reader.where)),
  );
  const rules = reader.list('rules', (item, path) =>
    compileRule(new ObjectReader(item, path, reader.into, reader.where)),
  );
  if (rules.length > MAX_RULES)
    reader.problem(
      'rules',
      `at most ${MAX_RULES} rules`,
      `${reader.at('rules')} has ${rules.length} rules; ${MAX_RULES} are allowed`,
    );
  const otherwise = reader.oneOf('default', ['allow', 'deny'], 'allow');
  reader.done();
  return { roles, rules, otherwise };
}

function compileRoles(reader: ObjectReader): RoleSource {
  const from = reader.oneOf('from', ['groups', 'emails', 'domains', 'usernames', 'owner']);
  const source = ((): RoleSource => {
    switch (from) {
      case 'groups':
        return { from, prefix: reader.text('prefix', { default: '', ...SHORT }) };
      case 'owner':
        return { from, role: reader.text('role', NAME) };
      case 'emails':
      case 'domains':
      case 'usernames':
        return { from, roles: reader.record<readonly string[]>('roles', isMembers, MEMBERS) };
    }
  })();
  reader.done();
  return source;
}

function compileRule(reader: ObjectReader): RightsRule {
  const action = reader.raw('action');
  const actions = action === undefined ? [] : Array.isArray(action) ? (action as unknown[]) : [action];
  const known = RIGHTS_ACTIONS.filter((one) => actions.includes(one));
  if (known.length !== actions.length || (action !== undefined && known.length === 0))
    reader.problem('action', `one or several of ${RIGHTS_ACTIONS.join(', ')}`);
  if (known.includes('view') && RIGHTS_PLACES.some((place) => reader.has(place)))
    reader.problem('action', 'no view beside a place: who may read reads everything');
  const places = RIGHTS_PLACES.flatMap((place): [string, string][] =>
    reader.has(place) ? [[place, reader.text(place, NAME)]] : [],
  );
  const rule: RightsRule = {
    ...(known.length > 0 && { actions: known }),
    ...Object.fromEntries(places),
    role: reader.text('role', NAME),
    orElse: reader.boolean('defaultDeny', true) ? 'deny' : 'continue',
  };
  reader.done();
  return rule;
}

function isMembers(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length <= MAX_MEMBERS &&
    value.every((member) => typeof member === 'string' && NAME.accepts(member))
  );
}
