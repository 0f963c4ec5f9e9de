/** Quotes a word for a POSIX shell, so that it is one argument whatever it contains. Words that need no quotes get none. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
