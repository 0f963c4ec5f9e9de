/** Branches as a remote repository lists them. */
export interface Listing {
  /** Branch → its head. */
  readonly heads: Map<string, string>;
  /** Branches that cannot be watched, as they can be shown → why not. */
  readonly unwatchable: ReadonlyMap<string, string>;
}

const LINE = /^([0-9a-f]{64}|[0-9a-f]{40})\trefs\/heads\/(.+)$/;
/** What `git check-ref-format` refuses; one such name in what git is asked to fetch would keep it from fetching the others. */
const NO_BRANCH = /[\0- ~^:?*[\\\x7f]|\.\.|@\{|\/\/|^\/|[/.]$|(^|\/)\.|\.lock(\/|$)/;
const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads what `ls-remote --heads` prints. Names are bytes: one that is no text is set apart, and the others are as they were. */
export function readHeads(listing: Buffer, maxCharacters: number): Listing {
  const heads = new Map<string, string>();
  const unwatchable = new Map<string, string>();
  for (const line of listing.toString('latin1').split('\n')) {
    const [, head, bytes] = LINE.exec(line) ?? [];
    if (head === undefined || bytes === undefined) continue;
    const name = textOf(bytes);
    if (name === null) unwatchable.set(shownBytes(bytes), 'its name is not UTF-8');
    else if (NO_BRANCH.test(name)) unwatchable.set(name, 'git takes its name for no branch');
    else if (name.length > maxCharacters) unwatchable.set(name, `its name is longer than ${maxCharacters} characters`);
    else heads.set(name, head);
  }
  return { heads, unwatchable };
}

/** `sha1` or `sha256`, by the length of a head; null: there is no head to tell by. */
export function objectFormat(heads: ReadonlyMap<string, string>): 'sha1' | 'sha256' | null {
  for (const head of heads.values()) return head.length === 64 ? 'sha256' : 'sha1';
  return null;
}

function textOf(bytes: string): string | null {
  try {
    return UTF_8.decode(Buffer.from(bytes, 'latin1'));
  } catch {
    // Thrown for bytes that are not UTF-8, and for nothing else.
    return null;
  }
}

function shownBytes(bytes: string): string {
  return bytes.replace(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
}
