/** The branches of a remote repository. */
export interface Listing {
  /** Heads by branch. */
  readonly heads: Map<string, string>;
  /** Reasons by branch, for branches that cannot be watched. Their names are printable. */
  readonly unwatchable: ReadonlyMap<string, string>;
}

const LINE = /^([0-9a-f]{64}|[0-9a-f]{40})\trefs\/heads\/(.+)$/;
/** Names that `git check-ref-format` refuses. One such name among the refs to fetch would keep git from fetching the others. */
const NO_BRANCH = /[\0- ~^:?*[\\\x7f]|\.\.|@\{|\/\/|^\/|[/.]$|(^|\/)\.|\.lock(\/|$)/;
const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Parses the output of `ls-remote --heads`. Names are bytes: one that is not valid text is listed separately, and the others are unchanged.
 */
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

/** Returns `sha1` or `sha256`, by the length of a head; null without a head. */
export function objectFormat(heads: ReadonlyMap<string, string>): 'sha1' | 'sha256' | null {
  for (const head of heads.values()) return head.length === 64 ? 'sha256' : 'sha1';
  return null;
}

function textOf(bytes: string): string | null {
  try {
    return UTF_8.decode(Buffer.from(bytes, 'latin1'));
  } catch {
    // Thrown only for bytes that are not UTF-8.
    return null;
  }
}

function shownBytes(bytes: string): string {
  return bytes.replace(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
}
