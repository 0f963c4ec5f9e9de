/** Control characters, and marks that change the direction of the following text. Terminals, logs and readers would act on them. */

const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/**
 * Returns foreign text as one line that a terminal or a log may show. Control characters and direction marks become `\xNN` or `\uNNNN`, and
 * a text longer than `maxCharacters` is cut with an ellipsis. Takes time linear in `maxCharacters`, whatever the length of the text.
 */
export function printable(text: string, maxCharacters = 1000): string {
  const cut = text.length > maxCharacters ? `${text.slice(0, maxCharacters)}…` : text;
  return cut.replace(UNPRINTABLE, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}
