/** The branches and tags of a remote repository. A tag is named as a branch with a full name is: `refs/tags/v1`. */
export interface Listing {
  /** Heads by branch, and commits by tag. */
  readonly heads: Map<string, string>;
  /** Reasons by name, for what cannot be watched. The names are printable. */
  readonly unwatchable: ReadonlyMap<string, string>;
}

const TAGS = 'refs/tags/';
/** A line of the listing. What an annotated tag leads to follows it, with `^{}` after its name. */
const LINE = /^([0-9a-f]{64}|[0-9a-f]{40})\t(?:refs\/heads\/(.+)|(refs\/tags\/.+?)(?:\^\{\})?)$/;
/** Names that `git check-ref-format` refuses. One such name among the refs to fetch would keep git from fetching the others. */
const NO_BRANCH = /[\0- ~^:?*[\\\x7f]|\.\.|@\{|\/\/|^\/|[/.]$|(^|\/)\.|\.lock(\/|$)/;
const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Parses the output of `ls-remote`. Names are bytes: one that is not valid text is listed separately, and the others are unchanged.
 */
export function readRefs(listing: Buffer, maxCharacters: number): Listing {
  const heads = new Map<string, string>();
  const unwatchable = new Map<string, string>();
  for (const line of listing.toString('latin1').split('\n')) {
    const [, head, branch, tag] = LINE.exec(line) ?? [];
    const bytes = branch ?? tag;
    if (head === undefined || bytes === undefined) continue;
    const name = textOf(bytes);
    if (name === null) unwatchable.set(shownBytes(bytes), 'its name is not UTF-8');
    else if (NO_BRANCH.test(name))
      unwatchable.set(name, `git takes its name for no ${tag === undefined ? 'branch' : 'tag'}`);
    else if (tag === undefined && isTag(name)) unwatchable.set(name, 'its name is that of a tag');
    else if (name.length > maxCharacters) unwatchable.set(name, `its name is longer than ${maxCharacters} characters`);
    else heads.set(name, head);
  }
  return { heads, unwatchable };
}

/** Whether a name in a listing is that of a tag. */
export function isTag(name: string): boolean {
  return name.startsWith(TAGS);
}

/** Returns the name by which people choose a branch or tag. */
export function chosenName(name: string): string {
  return isTag(name) ? name.slice(TAGS.length) : name;
}

/** Returns the full name of a ref in the repository. */
export function fullRef(name: string): string {
  return isTag(name) ? name : `refs/heads/${name}`;
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
