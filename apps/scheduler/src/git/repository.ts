import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import type { GitAccess } from '@millrace/config';
import { OperationalError, redactAddresses } from '@millrace/domain';
import { type Access, accessBy, type AccessSettings, NO_SETTINGS } from './access.js';
import { fullRef, type Listing, objectFormat, readRefs } from '../core/git-refs.js';
import type { Limit } from '../core/limit.js';

const run = promisify(execFile);

const LIST_TIMEOUT_MS = 60_000;
const FETCH_TIMEOUT_MS = 600_000;
const OUTPUT_LIMIT_BYTES = 256 << 20;
/** Time until a sound mirror is checked again, because checking reads all of it. */
const CHECK_AGAIN_MS = 600_000;
/** Most refused fetches of one round. After each, the failing branch is searched for by halving. */
const MOST_REFUSALS = 30;
/**
 * Settings that keep the user's own Git configuration from changing the output, and background jobs from running in a mirror after we are
 * done with it.
 */
const SETTINGS = [
  ...['i18n.logOutputEncoding=UTF-8', 'log.showSignature=false', 'fetch.fsckObjects=false'],
  ...['transfer.fsckObjects=false', 'gc.autoDetach=false', 'maintenance.autoDetach=false'],
].flatMap((setting) => ['-c', setting]);
/** Files that a killed git leaves behind. */
const LEFT_BEHIND = /\.lock$|^tmp_(pack|idx|rev|obj|bitmap|graph|mtimes)|^\.tmp-/;

interface GitRun {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly input?: string;
  /** Whether the command asks the server. */
  readonly remote?: boolean;
  /** False for a command that does not use the mirror. */
  readonly mirror?: boolean;
}

export interface Commit {
  readonly revision: string;
  /** The first parent's revision; null when there is none, or it is not known. */
  readonly parent: string | null;
  readonly author: string;
  readonly committer: string;
  readonly committedAtMs: number;
  readonly message: string;
  readonly files: readonly string[];
}

export interface RepositoryOptions {
  readonly url: string;
  /** The folder of all mirrors. */
  readonly mirrors: string;
  /** Limit for all users of this address's mirror: one at a time. */
  readonly exclusive: Limit;
  /** The change source's name. */
  readonly name: string;
  readonly access: GitAccess | null;
}

/**
 * A remote repository, read through a bare mirror of our own. A poll is one `ls-remote`, and only moved branches are fetched,
 * incrementally. All change sources of one address share a mirror. A mirror may be lost at any time: it contains nothing that the
 * repository does not.
 */
export class GitRepository {
  private readonly url: string;
  private readonly mirror: string;
  private readonly access: Access;
  /** When the mirror was last found sound, by the clock of this process. */
  private soundAtMs = -Infinity;
  /** Runs work in the mirror, one piece at a time. */
  readonly exclusive: Limit;

  constructor({ url, mirrors, exclusive, name, access }: RepositoryOptions) {
    this.url = url;
    this.exclusive = exclusive;
    this.access = accessBy(access, join(mirrors, `${hashOf(name).slice(0, 16)}.ssh`));
    this.mirror = join(mirrors, `${hashOf(url).slice(0, 16)}.git`);
  }

  /**
   * Returns every branch with its head, and every tag with what it leads to.
   * @throws OperationalError `git` when the repository cannot be reached
   */
  async heads(
    signal: AbortSignal,
    options: { readonly maxCharacters: number; readonly branches: boolean; readonly tags: boolean },
  ): Promise<Listing> {
    const { branches, tags, maxCharacters } = options;
    const kinds = [...(tags ? ['--tags'] : []), ...(branches || !tags ? ['--heads'] : [])];
    const out = await this.git(['ls-remote', ...kinds, '--', this.url], {
      timeoutMs: LIST_TIMEOUT_MS,
      signal,
      remote: true,
      mirror: false,
    });
    return readRefs(out, maxCharacters);
  }

  /**
   * Fetches heads.
   * @returns the ones that could not be fetched, with the reason
   */
  async fetch(heads: ReadonlyMap<string, string>, signal: AbortSignal): Promise<ReadonlyMap<string, unknown>> {
    await this.ensureMirror(objectFormat(heads), signal);
    const failures = new Map<string, unknown>();
    let refusals = 0;
    const fetchSome = async (branches: readonly string[]): Promise<void> => {
      try {
        await this.fetchAtOnce(branches, signal);
      } catch (error) {
        if (signal.aborted || !isRefusal(error)) throw error;
        refusals += 1;
        if (branches.length === 1 || refusals >= MOST_REFUSALS) {
          for (const branch of branches) failures.set(branch, error);
          return;
        }
        const middle = branches.length >> 1;
        await fetchSome(branches.slice(0, middle));
        await fetchSome(branches.slice(middle));
      }
    };
    await fetchSome([...heads.keys()]);
    return failures;
  }

  /**
   * Repairs the mirror after something failed in it: removes what a killed git left behind, or a damaged mirror completely.
   * @returns whether it is worth trying again
   */
  async repair(signal: AbortSignal): Promise<boolean> {
    if (this.tidy()) return true;
    if (performance.now() - this.soundAtMs < CHECK_AGAIN_MS) return false;
    try {
      const args = ['fsck', '--connectivity-only', '--no-dangling', '--no-progress'];
      await this.git(args, { timeoutMs: FETCH_TIMEOUT_MS, signal });
    } catch (error) {
      if (signal.aborted || !isRefusal(error)) throw error;
      this.remove();
      return true;
    }
    this.soundAtMs = performance.now();
    return false;
  }

  /** Fetches branches and tags. They are stored under their hashes, so that `topic` can be replaced by `topic/one`. */
  private async fetchAtOnce(branches: readonly string[], signal: AbortSignal): Promise<void> {
    const refspecs = branches.map((branch) => `+${fullRef(branch)}:refs/branches/${hashOf(branch)}\n`);
    await this.git(['fetch', '--quiet', '--no-tags', '--force', '--stdin', '--', this.url], {
      timeoutMs: FETCH_TIMEOUT_MS,
      signal,
      remote: true,
      input: refspecs.join(''),
    });
  }

  /** Returns the revisions that have not been fetched. */
  async missing(revisions: readonly string[], signal: AbortSignal): Promise<Set<string>> {
    const out = await this.git(['cat-file', '--batch-check'], {
      timeoutMs: FETCH_TIMEOUT_MS,
      signal,
      input: revisions.map((revision) => `${revision}\n`).join(''),
    });
    return new Set([...out.toString('utf8').matchAll(/^(\S+) missing$/gm)].map((match) => match[1]!));
  }

  /**
   * Returns the revisions of `head` that none of `known` reaches, oldest first. Returns only `head` when there are none, because it is new
   * for its branch all the same, or when the two histories have nothing in common.
   */
  async revisionsSince(head: string, known: readonly string[], signal: AbortSignal): Promise<string[]> {
    const input = [head, ...known.map((revision) => `^${revision}`)].join('\n');
    const out = await this.git(['rev-list', '--reverse', '--topo-order', '--boundary', '--stdin'], {
      timeoutMs: FETCH_TIMEOUT_MS,
      signal,
      input: `${input}\n`,
    });
    const lines = out.toString('utf8').split('\n').filter(Boolean);
    const revisions = lines.filter((line) => !line.startsWith('-'));
    return revisions.length > 0 && revisions.length < lines.length ? revisions : [head];
  }

  /** Reads commits. For a commit whose text exceeds the limit, only the revision is returned. */
  async commits(revisions: readonly string[], signal: AbortSignal): Promise<Commit[]> {
    try {
      return await this.commitsAtOnce(revisions, signal);
    } catch (error) {
      if (!(error instanceof OperationalError) || error.code !== 'git-output') throw error;
      if (revisions.length === 1) return [unreadable(revisions[0]!)];
      const middle = revisions.length >> 1;
      const first = await this.commits(revisions.slice(0, middle), signal);
      return [...first, ...(await this.commits(revisions.slice(middle), signal))];
    }
  }

  private async commitsAtOnce(revisions: readonly string[], signal: AbortSignal): Promise<Commit[]> {
    const options = { timeoutMs: FETCH_TIMEOUT_MS, signal, input: `${revisions.join('\n')}\n` };
    const format = '--format=%H%x00%P%x00%an <%ae>%x00%cn <%ce>%x00%ct%x00%B%x00';
    const log = await this.git(['log', '--no-walk=unsorted', '--stdin', format], options);
    const names = await this.git(
      ['diff-tree', '--stdin', '-z', '-r', '--root', '--name-only', '--no-renames', '--diff-merges=first-parent'],
      options,
    );
    const files = filesByRevision(names.toString('utf8'), revisions);
    const fields = log.toString('utf8').split('\0');
    const commits: Commit[] = [];
    for (let i = 0; i + 5 < fields.length; i += 6) {
      const revision = fields[i]!.trim();
      commits.push({
        revision,
        parent: fields[i + 1]!.split(' ', 1)[0]! || null,
        author: fields[i + 2]!,
        committer: fields[i + 3]!,
        committedAtMs: Number(fields[i + 4]) * 1000,
        message: fields[i + 5]!.trimEnd(),
        files: files.get(revision) ?? [],
      });
    }
    return commits;
  }

  /**
   * Makes the mirror if needed.
   * @param format format of the repository's objects; a mirror of another format is removed. Null when it has none to be fetched
   */
  private async ensureMirror(format: 'sha1' | 'sha256' | null, signal: AbortSignal): Promise<void> {
    if (format === null || (await this.mirrorFormat(signal)) === format) return;
    this.remove();
    mkdirSync(this.mirror, { recursive: true });
    await run('git', ['init', '--quiet', '--bare', `--object-format=${format}`, this.mirror]);
  }

  /** Returns the format of the mirror; null when there is no mirror that git accepts. */
  private async mirrorFormat(signal: AbortSignal): Promise<string | null> {
    if (!existsSync(this.mirror)) return null;
    try {
      const out = await this.git(['rev-parse', '--show-object-format'], { timeoutMs: LIST_TIMEOUT_MS, signal });
      return out.toString('latin1').trim();
    } catch (error) {
      if (signal.aborted || !isRefusal(error)) throw error;
      return null;
    }
  }

  private remove(): void {
    rmSync(this.mirror, { recursive: true, force: true });
  }

  /**
   * Removes files that a killed git left behind. To be called only while nobody works in the mirror, so that such files belong to nobody.
   * @returns whether there were any
   */
  private tidy(): boolean {
    if (!existsSync(this.mirror)) return false;
    const found = readdirSync(this.mirror, { recursive: true, encoding: 'utf8' }).filter((path) =>
      LEFT_BEHIND.test(basename(path)),
    );
    for (const path of found) rmSync(join(this.mirror, path), { recursive: true, force: true });
    return found.length > 0;
  }

  private async git(args: readonly string[], options: GitRun): Promise<Buffer> {
    return options.remote
      ? await this.access((settings) => this.run(args, options, settings))
      : await this.run(args, options, NO_SETTINGS);
  }

  private run(args: readonly string[], options: GitRun, access: AccessSettings): Promise<Buffer> {
    const all = [...SETTINGS, ...access.args, ...(options.mirror === false ? [] : ['--git-dir', this.mirror]), ...args];
    return new Promise((resolve, reject) => {
      const child = spawn('git', all, {
        env: { ...process.env, ...access.env, GIT_TERMINAL_PROMPT: '0', GIT_OPTIONAL_LOCKS: '0', LC_ALL: 'C' },
        signal: options.signal,
        timeout: options.timeoutMs,
        stdio: ['pipe', 'pipe', 'pipe'],
      });
      const out: Buffer[] = [];
      let size = 0;
      let complaint = '';
      child.stdout.on('data', (data: Buffer) => {
        out.push(data);
        size += data.length;
        if (size > OUTPUT_LIMIT_BYTES) child.kill();
      });
      child.stderr.on('data', (data: Buffer) => (complaint = (complaint + data.toString('utf8')).slice(-4000)));
      // git may end before it has read everything. Its exit code tells why.
      child.stdin.on('error', () => undefined);
      child.stdin.end(options.input ?? '');
      child.on('error', reject);
      child.on('close', (code, signal) => {
        if (size > OUTPUT_LIMIT_BYTES) {
          const limit = `git ${args[0]} of ${redactAddresses(this.url)} printed more than ${OUTPUT_LIMIT_BYTES} bytes`;
          reject(new OperationalError('git-output', limit, { repository: redactAddresses(this.url) }));
        } else if (code === 0) resolve(Buffer.concat(out));
        else
          reject(
            new OperationalError(
              'git',
              `git ${args[0]} of ${redactAddresses(this.url)} ended with ${code ?? signal}: ${redactAddresses(complaint.trim())}`,
              { repository: redactAddresses(this.url), code, signal },
            ),
          );
      });
    });
  }
}

/** Whether git ran to its end and failed, and was not aborted. */
function isRefusal(error: unknown): boolean {
  return error instanceof OperationalError && error.code === 'git' && error.fields['code'] !== null;
}

function unreadable(revision: string): Commit {
  const message = '(This commit is too large to be shown: its message and files are in the repository.)';
  return { revision, parent: null, author: '', committer: '', committedAtMs: 0, message, files: [] };
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * Parses the output of `diff-tree --stdin -z`: each revision is followed by its files. The order distinguishes a revision from a file of
 * the same name.
 */
function filesByRevision(output: string, revisions: readonly string[]): Map<string, string[]> {
  const wanted = new Set(revisions);
  const files = new Map<string, string[]>();
  let current: string[] = [];
  for (const token of output.split('\0')) {
    if (wanted.has(token) && !files.has(token)) files.set(token, (current = []));
    else if (token !== '') current.push(token);
  }
  return files;
}
