import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { BoundCredentials } from '@millrace/config';
import { OperationalError, redactAddresses } from '@millrace/domain';
import { credentialSettings } from '../core/git-environment.js';

const run = promisify(execFile);

const LIST_TIMEOUT_MS = 60_000;
const FETCH_TIMEOUT_MS = 600_000;
const OUTPUT_LIMIT_BYTES = 256 << 20;
/** What the user of this machine prefers must not change what we read. */
const SETTINGS = ['-c', 'i18n.logOutputEncoding=UTF-8', '-c', 'log.showSignature=false'];

export interface Commit {
  readonly revision: string;
  readonly author: string;
  readonly committer: string;
  readonly committedAtMs: number;
  readonly message: string;
  readonly files: readonly string[];
}

/**
 * A remote repository, looked at through a bare mirror of our own: a poll is one `ls-remote`, and only branches that moved are
 * fetched, incrementally.
 */
export class GitRepository {
  private readonly mirror: string;

  constructor(
    readonly url: string,
    folder: string,
    private readonly credentials: BoundCredentials | null = null,
  ) {
    this.mirror = join(folder, `${hashOf(url).slice(0, 16)}.git`);
  }

  /** Every branch with its head. @throws OperationalError `git` when the repository cannot be reached */
  async heads(signal: AbortSignal): Promise<Map<string, string>> {
    const out = await this.git(['ls-remote', '--heads', '--', this.url], {
      timeoutMs: LIST_TIMEOUT_MS,
      signal,
      mirror: false,
    });
    const heads = new Map<string, string>();
    for (const line of out.toString('utf8').split('\n')) {
      const match = /^([0-9a-f]{40,64})\trefs\/heads\/(.+)$/.exec(line);
      if (match) heads.set(match[2]!, match[1]!);
    }
    return heads;
  }

  /** Branches are kept under their hashes: `topic` may go and `topic/one` come. */
  async fetch(branches: readonly string[], signal: AbortSignal): Promise<void> {
    await this.ensureMirror();
    const refspecs = branches.map((branch) => `+refs/heads/${branch}:refs/branches/${hashOf(branch)}\n`);
    await this.git(['fetch', '--quiet', '--no-tags', '--force', '--stdin', '--', this.url], {
      timeoutMs: FETCH_TIMEOUT_MS,
      signal,
      input: refspecs.join(''),
    });
  }

  /** Those of `revisions` that have not been fetched. */
  async missing(revisions: readonly string[], signal: AbortSignal): Promise<Set<string>> {
    const out = await this.git(['cat-file', '--batch-check'], {
      timeoutMs: FETCH_TIMEOUT_MS,
      signal,
      input: revisions.map((revision) => `${revision}\n`).join(''),
    });
    return new Set([...out.toString('utf8').matchAll(/^(\S+) missing$/gm)].map((match) => match[1]!));
  }

  /**
   * Revisions of `head` that none of `known` reaches, oldest first. `head` alone where that is none, which is news for its branch all the
   * same, or where the two histories have nothing in common.
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

  async commits(revisions: readonly string[], signal: AbortSignal): Promise<Commit[]> {
    const options = { timeoutMs: FETCH_TIMEOUT_MS, signal, input: `${revisions.join('\n')}\n` };
    const format = '--format=%H%x00%an <%ae>%x00%cn <%ce>%x00%ct%x00%B%x00';
    const log = await this.git(['log', '--no-walk=unsorted', '--stdin', format], options);
    const names = await this.git(
      ['diff-tree', '--stdin', '-z', '-r', '--root', '--name-only', '--no-renames', '--diff-merges=first-parent'],
      options,
    );
    const files = filesByRevision(names.toString('utf8'), revisions);
    const fields = log.toString('utf8').split('\0');
    const commits: Commit[] = [];
    for (let i = 0; i + 4 < fields.length; i += 5) {
      const revision = fields[i]!.trim();
      commits.push({
        revision,
        author: fields[i + 1]!,
        committer: fields[i + 2]!,
        committedAtMs: Number(fields[i + 3]) * 1000,
        message: fields[i + 4]!.trimEnd(),
        files: files.get(revision) ?? [],
      });
    }
    return commits;
  }

  private async ensureMirror(): Promise<void> {
    if (existsSync(join(this.mirror, 'HEAD'))) return;
    mkdirSync(this.mirror, { recursive: true });
    await run('git', ['init', '--quiet', '--bare', this.mirror]);
  }

  private async git(
    args: readonly string[],
    options: { timeoutMs: number; signal: AbortSignal; input?: string; mirror?: boolean },
  ): Promise<Buffer> {
    const access = credentialSettings(this.credentials);
    const all = [...SETTINGS, ...access.args, ...(options.mirror === false ? [] : ['--git-dir', this.mirror]), ...args];
    const ssh = await sshCommand();
    return new Promise((resolve, reject) => {
      const child = spawn('git', all, {
        env: { ...process.env, ...ssh, ...access.env, GIT_TERMINAL_PROMPT: '0', GIT_OPTIONAL_LOCKS: '0', LC_ALL: 'C' },
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
      // git may end before it has read everything; its exit code says why.
      child.stdin.on('error', () => undefined);
      child.stdin.end(options.input ?? '');
      child.on('error', reject);
      child.on('close', (code, signal) => {
        if (code === 0) resolve(Buffer.concat(out));
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

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

let ssh: Promise<NodeJS.ProcessEnv> | undefined;

/** Nobody is there to answer ssh's questions; whoever has said how to call it has said that, too. */
function sshCommand(): Promise<NodeJS.ProcessEnv> {
  const isSet = process.env['GIT_SSH_COMMAND'] ?? process.env['GIT_SSH'];
  ssh ??= run('git', ['config', '--get', 'core.sshCommand']).then(
    () => ({}),
    () => (isSet ? {} : { GIT_SSH_COMMAND: 'ssh -o BatchMode=yes' }),
  );
  return ssh;
}

/** `diff-tree --stdin -z` prints each revision, then its files; a file named like the next revision is told apart by the order. */
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
