import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  type Stats,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { UserError } from '@millrace/domain';

/** Permissions of group and others. */
const NOT_OWNER = 0o077;
const SHORTEST_SECRET = 16;
const LONGEST_SECRET = 4096;

/**
 * Makes the folder where a master keeps its data, for its user only. One that others may read is repaired.
 *
 * @returns what was repaired, as text for the log; null when nothing was
 * @throws UserError `data-folder-shared` when it belongs to another user or is a folder for everybody, such as `/tmp`: repairing that would
 *   harm others
 */
export function keepFolderPrivate(folder: string): string | null {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const found = statSync(folder);
  if ((found.mode & NOT_OWNER) === 0) return null;
  const isForAll = (found.mode & constants.S_IFMT) !== constants.S_IFDIR || (found.mode & 0o1000) !== 0;
  if (isForAll || !isOurs(found) || dirname(folder) === folder) {
    throw new UserError(
      'data-folder-shared',
      `MILLRACE_DATA is '${folder}', which is not this user's alone (mode ${octal(found)}): name a folder that is, such as ${join(folder, 'millrace')}`,
      { folder },
    );
  }
  chmodSync(folder, 0o700);
  return `the folder ${folder} was open to others (mode ${octal(found)}) and is private now: whoever could read it may know the secrets in it`;
}

/**
 * Removes the permissions of everybody but the owner from the database files.
 * @returns what was repaired, as text for the log; null when nothing was
 */
export function keepSqlitePrivate(file: string): string | null {
  const open = ['', '-wal', '-shm', '-journal']
    .map((suffix) => file + suffix)
    .filter((path) => {
      if (!existsSync(path)) return false;
      const found = statSync(path);
      return (found.mode & NOT_OWNER) !== 0 && isOurs(found);
    });
  for (const path of open) chmodSync(path, 0o600);
  return open.length === 0 ? null : `${open.join(', ')} could be read by others, and are private now`;
}

/**
 * Returns the secret in a file. A missing or empty file is made: it is created exclusively under a random name and then put in place, so
 * that nobody ever reads half a secret, and never through a symbolic link that somebody left there.
 *
 * @throws UserError `bad-secret-file` when the file is a link, not a plain file, belongs to another user, or does not contain a secret
 */
export function secretFile(path: string): string {
  for (;;) {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined) {
      const made = draft(path);
      try {
        linkSync(made.path, path);
        return made.secret;
      } catch (error) {
        // Another process was first. Its secret counts.
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      } finally {
        unlinkSync(made.path);
      }
    } else if (found.isFile() && found.size === 0 && isOurs(found)) {
      // An empty file is left by a full disk. It never protected anything.
      const made = draft(path);
      renameSync(made.path, path);
      return made.secret;
    } else return readSecretFile(path);
  }
}

/**
 * Returns the secret that a person or an earlier start has put into a file, without surrounding white space.
 *
 * @throws UserError `bad-secret-file`
 */
export function readSecretFile(path: string): string {
  const refuse = (why: string): never => {
    throw new UserError('bad-secret-file', `the secret file ${path} ${why}`, { path });
  };
  const handle = ((): number => {
    try {
      return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      return refuse(code === 'ELOOP' ? 'is a symbolic link: put the file itself there' : `cannot be read: ${message}`);
    }
  })();
  try {
    const found = fstatSync(handle);
    if (!found.isFile()) refuse('is no plain file');
    if (!isOurs(found)) refuse(`belongs to user ${found.uid}: it has to be this process's user's`);
    if (found.size > LONGEST_SECRET) refuse(`has ${found.size} bytes: a secret has at most ${LONGEST_SECRET}`);
    if ((found.mode & NOT_OWNER) !== 0) fchmodSync(handle, 0o600);
    const secret = readFileSync(handle, 'utf8').trim();
    if (secret.length < SHORTEST_SECRET)
      refuse(`holds ${secret.length} characters: a secret has at least ${SHORTEST_SECRET}; delete it to get a new one`);
    return secret;
  } finally {
    closeSync(handle);
  }
}

function draft(path: string): { readonly path: string; readonly secret: string } {
  const secret = randomBytes(24).toString('base64url');
  const draftPath = `${path}.${randomBytes(8).toString('hex')}`;
  writeFileSync(draftPath, secret, { mode: 0o600, flag: 'wx', flush: true });
  return { path: draftPath, secret };
}

function isOurs({ uid }: Stats): boolean {
  return process.geteuid === undefined || uid === process.geteuid();
}

function octal({ mode }: Stats): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}
