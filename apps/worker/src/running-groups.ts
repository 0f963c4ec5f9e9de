import { UserError } from '@millrace/domain';
import { readdirSync, readFileSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessGroups } from './commands/command.js';

interface Identity {
  readonly pid: number;
  /** Clock ticks since boot at which the process began: tells it from a later one with the same number. */
  readonly startTime: string | null;
}

interface Journal {
  readonly worker: Identity;
  readonly groups: Readonly<Record<string, Identity>>;
}

/**
 * The process groups of running commands, kept in a file of the base directory, so that a worker that was killed without warning leaves nothing
 * running: its successor ends what it finds there. Also keeps two workers out of one base directory.
 */
export class RunningGroups implements ProcessGroups {
  private readonly groups = new Map<string, Identity>();
  private readonly file: string;

  constructor(private readonly basedir: string) {
    this.file = join(basedir, 'running-commands.json');
  }

  /**
   * Takes the base directory over. Returns the ids of commands of an earlier worker that had to be killed.
   * @throws UserError `basedir-in-use`
   */
  takeOver(): string[] {
    const journal = this.read();
    const killed: string[] = [];
    if (journal !== undefined) {
      const { pid, startTime } = journal.worker;
      if (pid !== process.pid && startTime !== null && startTimeOf(pid) === startTime) {
        throw new UserError('basedir-in-use', `worker process ${pid} uses the base directory ${this.basedir} already`, {
          pid,
        });
      }
      for (const [id, leader] of Object.entries(journal.groups)) {
        if (this.isLeftover(leader)) {
          killGroup(leader.pid);
          killed.push(id);
        }
      }
    }
    this.write();
    return killed;
  }

  began(commandId: string, pid: number): void {
    this.groups.set(commandId, { pid, startTime: startTimeOf(pid) });
    this.write();
  }

  ended(commandId: string): void {
    if (this.groups.delete(commandId)) this.write();
  }

  /** Kills every group at once. */
  killAll(): void {
    for (const { pid } of this.groups.values()) killGroup(pid);
  }

  /** Leaves the base directory to others. */
  release(): void {
    rmSync(this.file, { force: true });
  }

  /** The group's leader itself, or, where that has ended, members of its group that work below the base directory. */
  private isLeftover(leader: Identity): boolean {
    if (leader.startTime !== null && startTimeOf(leader.pid) === leader.startTime) return true;
    return processIds().some((pid) => groupOf(pid) === leader.pid && workingDirectoryOf(pid)?.startsWith(this.basedir));
  }

  private read(): Journal | undefined {
    try {
      return JSON.parse(readFileSync(this.file, 'utf8')) as Journal;
    } catch (error) {
      // None yet. It is written atomically, so what is not JSON is not ours to understand either.
      if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  private write(): void {
    const worker: Identity = { pid: process.pid, startTime: startTimeOf(process.pid) };
    const journal: Journal = { worker, groups: Object.fromEntries(this.groups) };
    writeFileSync(`${this.file}.new`, JSON.stringify(journal));
    renameSync(`${this.file}.new`, this.file);
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // It has ended in the meantime.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** The fields of `/proc/<pid>/stat` after the name; undefined where there is no such process or no `/proc`. */
function processFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    // A process that is not there, which is the question.
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
    // Ended, or somebody else's.
    return undefined;
  }
}

function processIds(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    // A system without /proc: nothing can be said about what is left over.
    return [];
  }
}
