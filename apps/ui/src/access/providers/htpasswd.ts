import { open } from 'node:fs/promises';
import type { CompiledHtpasswd } from '@millrace/contracts';
import { messageOf } from '@millrace/domain';
import { verify as isBcrypt } from '@node-rs/bcrypt';
import apacheMd5 from 'apache-md5';
import { encrypt } from 'unixcrypt';
import { Turns } from '../turns.js';
import { badAnswer, unavailable } from './errors.js';
import { type HtpasswdEntry, type HtpasswdFile, type HtpasswdScheme, parseHtpasswd } from './htpasswd-file.js';
import type { PasswordProvider, ProviderEnvironment, ProviderKind } from './kind.js';
import { isSameText } from './same-text.js';

const MOST_BYTES = 4 << 20;
/** Of passwords, bcrypt looks at so many bytes. More are refused, because a longer one would be as good as its beginning. */
const MOST_BCRYPT_BYTES = 72;
const MOST_BYTES_OF_OTHERS = 256;

const CHECKS: Readonly<Record<HtpasswdScheme, (password: string, hash: string) => boolean | Promise<boolean>>> = {
  bcrypt: (password, hash) => Buffer.byteLength(password) <= MOST_BCRYPT_BYTES && isBcrypt(password, hash),
  // The library takes characters for bytes.
  apr1: (password, hash) => isSameText(apacheMd5(Buffer.from(password, 'utf8').toString('latin1'), hash), hash),
  sha512: (password, hash) => isSameText(encrypt(password, hash.slice(0, hash.lastIndexOf('$'))), hash),
};

/** A hash that no password has, in place of that of a name that is not there: both take as long. */
const NOBODYS: HtpasswdEntry = {
  scheme: 'bcrypt',
  hash: '$2b$10$DTMyOT82K65gmm3pFmVAp.5hib33eKXN6OmkGJmmJnUIskVXQXk0O',
};

/** A file of Apache's `htpasswd`. The subject is the name. */
export const htpasswd: ProviderKind<CompiledHtpasswd> = {
  kind: 'htpasswd',
  make({ kind, name, label, file }: CompiledHtpasswd, { log }: ProviderEnvironment): PasswordProvider {
    const turns = new Turns(2, 500);
    let read: { readonly version: string; readonly content: HtpasswdFile } | null = null;

    /** Returns what the file says now. */
    const current = async (): Promise<HtpasswdFile> => {
      const handle = await open(file);
      try {
        const { ino, size, mtimeMs } = await handle.stat();
        const version = [ino, size, mtimeMs].join(' ');
        if (read?.version === version) return read.content;
        if (size > MOST_BYTES) throw badAnswer(name, `its file has ${size} bytes: at most ${MOST_BYTES}`);
        const content = parseHtpasswd(await handle.readFile('utf8'));
        for (const problem of content.problems)
          log.warn({ provider: name, file }, `nobody signs in by ${file}: ${problem}`);
        read = { version, content };
        return content;
      } finally {
        await handle.close();
      }
    };

    return {
      ...{ asks: 'password', kind, name, label },
      async check(username, password) {
        const { entries } = await current().catch((error: NodeJS.ErrnoException) =>
          Promise.reject(error.code?.startsWith('E') ? unavailable(name, new Error(messageOf(error))) : error),
        );
        const entry = entries.get(username);
        const { scheme, hash } = entry ?? [...entries.values()][0] ?? NOBODYS;
        const fits = password.length <= MOST_BYTES_OF_OTHERS;
        const isRight = fits && (await turns.take(async () => CHECKS[scheme](password, hash)));
        return isRight && entry ? { subject: username, username, fullName: null, email: null, groups: [] } : null;
      },
    };
  },
};
