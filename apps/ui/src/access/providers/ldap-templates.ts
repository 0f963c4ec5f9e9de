import { Filter } from 'ldapts';

/** Puts a name into the template of an entry's name, where it means nothing but itself. */
export function dnOf(template: string, user: string): string {
  return template.replaceAll('{user}', () => user.replace(/["#+,;<=>\\]/g, '\\$&'));
}

/** Puts names into the template of a filter, where they mean nothing but themselves. */
export function filterOf(template: string, names: Readonly<Record<'user' | 'dn', string>>): string {
  return template.replace(/\{(user|dn)\}/g, (_, name: 'user' | 'dn') => Filter.escape(names[name]));
}
