import { printable } from '@millrace/domain';

/** How the password of an entry is hashed. */
export type HtpasswdScheme = 'bcrypt' | 'apr1' | 'sha512';

export interface HtpasswdEntry {
  readonly scheme: HtpasswdScheme;
  readonly hash: string;
}

/** What a file says: whom it knows, and which lines it is no use for. */
export interface HtpasswdFile {
  readonly entries: ReadonlyMap<string, HtpasswdEntry>;
  readonly problems: readonly string[];
}

const MOST_ENTRIES = 20_000;
/** Most cost of a bcrypt hash: 2 to its power rounds. More would keep a core for seconds. */
const MOST_BCRYPT_COST = 14;
/** Most rounds of SHA-512, which are done on the main thread. */
const MOST_SHA512_ROUNDS = 10_000;
const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const APR1 = /^\$apr1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}$/;
const SHA512 = /^\$6\$(?:rounds=(\d{1,9})\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{86}$/;

/** Reads a file of Apache's `htpasswd`. Of a name that is there twice, the first line counts, as for Apache. */
export function parseHtpasswd(text: string): HtpasswdFile {
  const entries = new Map<string, HtpasswdEntry>();
  const problems: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const at = line.indexOf(':');
    const username = line.slice(0, Math.max(at, 0));
    const entry = at > 0 ? entryOf(line.slice(at + 1).trim()) : 'is not NAME:HASH';
    if (typeof entry === 'string') problems.push(`line ${index + 1} ('${printable(username, 50)}') ${entry}`);
    else if (entries.size >= MOST_ENTRIES) problems.push(`line ${index + 1} is beyond ${MOST_ENTRIES} entries`);
    else if (!entries.has(username)) entries.set(username, entry);
    if (problems.length > 20) break;
  }
  return { entries, problems };
}

/** Returns an entry, or what is wrong with it. */
function entryOf(hash: string): HtpasswdEntry | string {
  const bcrypt = BCRYPT.exec(hash);
  if (bcrypt) {
    return Number(bcrypt[1]) <= MOST_BCRYPT_COST
      ? { scheme: 'bcrypt', hash }
      : `has a bcrypt hash of cost ${bcrypt[1]}: at most ${MOST_BCRYPT_COST}`;
  }
  if (APR1.test(hash)) return { scheme: 'apr1', hash };
  const sha512 = SHA512.exec(hash);
  if (sha512) {
    const rounds = Number(sha512[1] ?? 5000);
    return rounds >= 1000 && rounds <= MOST_SHA512_ROUNDS
      ? { scheme: 'sha512', hash }
      : `has ${rounds} rounds of SHA-512: 1,000 to ${MOST_SHA512_ROUNDS}`;
  }
  return "has no hash that is good enough: make it by 'htpasswd -B' (bcrypt); apr1 and SHA-512 ($6$) work as well";
}
