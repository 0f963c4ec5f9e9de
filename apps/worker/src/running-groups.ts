import { messageOf, UserError } from '@millrace/domain';
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ProcessGroups } from './commands/command.js';
import type { Log } from './log.js';
import { signalGroup } from './process-group.js';

interface Identity {
  readonly pid: number;
  /** When the process began, in clock ticks since boot. It distinguishes the process from a later one with the same pid. */
  readonly startTime: string | null;
}

/** One line of the journal: its owner, a group that began, or one that ended. */
type Entry =
  { readonly worker: Identity } | { readonly began: string; readonly leader: Identity } | { readonly ended: string };

/** Length after which the journal starts anew when nothing runs. */
const LONG_JOURNAL_ENTRIES = 1000;
/** Longest journal that is read, far more than that many entries and the commands at a time need. */
const LONGEST_JOURNAL_BYTES = 16 << 20;
const { O_RDONLY, O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;

/**
 * The process groups of running commands, in a journal in the base directory. A worker that was killed without warning leaves nothing
 * running: its successor kills what it finds there. The journal also keeps two workers out of one base directory.
 */
export class RunningGroups implements ProcessGroups {
  private readonly groups = new Map<string, Identity>();
  private readonly file: string;
  private journal: number | undefined;
  private entries = 0;

  constructor(
    private readonly basedir: string,
    private readonly log: Log,
  ) {
    this.file = join(basedir, 'running-commands.jsonl');
  }

  /**
   * Takes over the base directory and kills what an earlier worker left running.
   * @throws UserError `basedir-in-use`
   */
  takeOver(): void {
    const { worker, groups } = this.read();
    if (worker !== undefined && worker.pid !== process.pid && isRunning(worker)) {
      const { pid } = worker;
      throw new UserError('basedir-in-use', `worker process ${pid} uses the base directory ${this.basedir} already`, {
        pid,
      });
    }
    for (const [id, leader] of groups) {
      if (!this.isLeftover(leader)) continue;
      if (signalGroup(leader.pid, 'SIGKILL')) {
        this.log.warn('killed a command that an earlier worker left running', { id });
      } else this.log.error('cannot kill a command that an earlier worker left running', { id, pid: leader.pid });
    }
    this.begin();
  }

  began(commandId: string, pid: number): void {
    const leader = identityOf(pid);
    this.groups.set(commandId, leader);
    this.note({ began: commandId, leader });
  }

  ended(commandId: string): void {
    if (!this.groups.delete(commandId)) return;
    this.note({ ended: commandId });
  }

  /** Kills every group that can be killed. */
  killAll(): void {
    for (const { pid } of this.groups.values()) signalGroup(pid, 'SIGKILL');
  }

  /** Releases the base directory for others. */
  release(): void {
    if (this.journal !== undefined) closeSync(this.journal);
    this.journal = undefined;
    rmSync(this.file, { force: true });
  }

  /** Whether a group is left over: its leader still runs, or, when it has ended, members of its group work below the base directory. */
  private isLeftover(leader: Identity): boolean {
    if (isRunning(leader)) return true;
    return processIds().some((pid) => groupOf(pid) === leader.pid && workingDirectoryOf(pid)?.startsWith(this.basedir));
  }

  private read(): { worker: Identity | undefined; groups: Map<string, Identity> } {
    const groups = new Map<string, Identity>();
    let worker: Identity | undefined;
    for (const line of readIfThere(this.file).split('\n')) {
      const entry = parsed(line);
      if (entry === undefined) continue;
      if ('worker' in entry) worker = entry.worker;
      else if ('began' in entry) groups.set(entry.began, entry.leader);
      else groups.delete(entry.ended);
    }
    return { worker, groups };
  }

  private begin(): void {
    this.journal ??= openSync(this.file, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
    ftruncateSync(this.journal);
    this.entries = 0;
    this.append({ worker: identityOf(process.pid) });
  }

  /** Writes an entry if possible. A command does not fail, or go on without supervision, because the disk is full. */
  private note(entry: Entry): void {
    try {
      if (this.groups.size === 0 && this.entries >= LONG_JOURNAL_ENTRIES) this.begin();
      else this.append(entry);
    } catch (error) {
      this.log.error('cannot write down which commands run', { reason: messageOf(error) });
    }
  }

  private append(entry: Entry): void {
    if (this.journal === undefined) return;
    // The newline comes first, so that a partial entry left by a full disk does not spoil this one.
    writeSync(this.journal, `\n${JSON.stringify(entry)}`);
    this.entries += 1;
  }
}

/**
 * Reads a file; empty when it does not exist.
 * @throws UserError `basedir-damaged` for a file that no worker has written
 */
function readIfThere(file: string): string {
  let descriptor: number;
  try {
    descriptor = openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return '';
    if (code === 'ELOOP') throw damaged(file, 'it is a link');
    throw error;
  }
  try {
    const { size } = fstatSync(descriptor);
    if (size > LONGEST_JOURNAL_BYTES) throw damaged(file, `it has ${size} bytes`);
    return readFileSync(descriptor, 'utf8');
  } finally {
    closeSync(descriptor);
  }
}

function damaged(file: string, why: string): UserError {
  return new UserError(
    'basedir-damaged',
    `${file} was not written by a worker, because ${why}: look at it, and remove it`,
    {
      file,
    },
  );
}

/**
 * Parses an entry. Returns undefined for a line that was cut by a full disk or a crash of the machine, or is no entry. Groups in valid
 * entries are killed, and process group 1 would mean everything that this user runs.
 */
function parsed(line: string): Entry | undefined {
  let entry: Partial<Record<'worker' | 'began' | 'leader' | 'ended', unknown>> | null;
  try {
    entry = JSON.parse(line) as typeof entry;
  } catch {
    return undefined;
  }
  if (typeof entry !== 'object' || entry === null) return undefined;
  const { worker, began, leader, ended } = entry;
  if (isIdentity(worker)) return { worker };
  if (typeof began === 'string' && isIdentity(leader)) return { began, leader };
  return typeof ended === 'string' ? { ended } : undefined;
}

function isIdentity(value: unknown): value is Identity {
  if (typeof value !== 'object' || value === null) return false;
  const { pid, startTime } = value as Partial<Record<keyof Identity, unknown>>;
  return Number.isSafeInteger(pid) && (pid as number) > 1 && (startTime === null || typeof startTime === 'string');
}

function identityOf(pid: number): Identity {
  return { pid, startTime: startTimeOf(pid) };
}

function isRunning({ pid, startTime }: Identity): boolean {
  return startTime !== null && startTimeOf(pid) === startTime;
}

/** Returns the fields of `/proc/<pid>/stat` after the name; undefined when there is no such process or no `/proc`. */
function processFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    // The process does not exist, which is an answer.
    return undefined;
  }
}

function startTimeOf(pid: number): string | null {
  return processFields(pid)?.[19] ?? null;
}

function groupOf(pid: number): number {
  return Number(processFields(pid)?.[2]);
}

function workingDirectoryOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    // The process has ended, or belongs to another user.
    return undefined;
  }
}

function processIds(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    // A system without /proc: left over processes cannot be found.
    return [];
  }
}
