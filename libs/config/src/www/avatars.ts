import type { CompiledAvatars } from '@millrace/contracts';
import type { ObjectReader } from '../object-reader.js';

/** Addresses of the services that have a word of their own. */
const KNOWN: Readonly<Record<string, string>> = {
  gravatar: 'https://secure.gravatar.com/avatar/{md5}?d=404&s={size}',
  github: 'https://avatars.githubusercontent.com/{login}?s={size}',
};
const MOST = 4;
const MAX_CHARACTERS = 500;
const PLACES = ['md5', 'sha256', 'email', 'username', 'login', 'size'];
const EXPECTED = `'gravatar', 'github', or an http or https address with some of ${PLACES.map((place) => `{${place}}`).join(', ')} after the host`;

/** Reads `avatars`; null where pictures are drawn from initials. */
export function compileAvatars(www: ObjectReader): 'gravatar' | CompiledAvatars | null {
  if (typeof www.raw('avatars') !== 'object')
    return www.oneOf('avatars', ['initials', 'gravatar'], 'initials') === 'gravatar' ? 'gravatar' : null;
  const reader = www.inner('avatars');
  const texts = reader.texts('from', { required: true });
  const from = texts.map((text) => KNOWN[text] ?? text);
  if (from.length < 1 || from.length > MOST) reader.problem('from', `a list of 1 to ${MOST} sources of pictures`);
  for (const [index, template] of from.entries())
    if (!isTemplate(template)) reader.into.add(`${reader.at('from')}[${index}]`, texts[index], EXPECTED, reader.where);
  const privateAddresses = reader.boolean('privateAddresses', false);
  reader.done();
  return { from, privateAddresses };
}

/** Whether a text is an address of pictures. Its host has to be plain: what is asked for must not choose it. */
function isTemplate(text: string): boolean {
  if (text.length > MAX_CHARACTERS || !/^https?:\/\/[^/?#@{}\\\s]+\/[^#\s]*$/.test(text)) return false;
  const places = [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1]!);
  const isFilled = !/[{}]/.test(text.replace(/\{\w+\}/g, ''));
  const areKnown = places.every((place) => PLACES.includes(place));
  return isFilled && areKnown && places.some((place) => place !== 'size') && URL.canParse(text);
}
