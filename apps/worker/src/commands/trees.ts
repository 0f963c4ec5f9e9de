import { dirname } from 'node:path';
import type { Command, CommandContext } from './command.js';
import { processEnvironment } from './environment.js';
import { makeDirectories } from './make-directories.js';
import { ProcessRun } from './process-run.js';

const DEFAULT_TIMEOUT_SECONDS = 120;

/** Removes and copies trees with the system's own tools, one process after the other. */
abstract class TreeCommand implements Command {
  private current: ProcessRun | undefined;
  protected isInterrupted = false;

  constructor(protected readonly context: CommandContext) {
    // Read here once, so that wrong ones refuse the command.
    this.limits();
  }

  abstract run(): Promise<number>;

  interrupt(): void {
    this.isInterrupted = true;
    this.current?.interrupt();
  }

  protected async execute(command: readonly string[]): Promise<number> {
    if (this.isInterrupted) return -1;
    const { basedir, environ, args, output } = this.context;
    this.current = new ProcessRun(this.context, {
      command,
      shownCommand: command,
      workdir: basedir,
      environment: processEnvironment(environ, args, basedir),
      logEnviron: args.flag('logEnviron', true),
      stdin: null,
      wantStdout: true,
      wantStderr: true,
      ...this.limits(),
      maxLines: null,
      sigtermTimeSeconds: null,
      interruptSignal: 'SIGKILL',
      logFiles: [],
      shownLogFiles: '{}',
      notes: [],
    });
    const rc = await this.current.run();
    output.end();
    output.header(`elapsedTime=${this.current.elapsedSeconds().toFixed(6)}\n`);
    return rc;
  }

  private limits(): { timeoutSeconds: number | null; maxTimeSeconds: number | null } {
    const { args } = this.context;
    return { timeoutSeconds: args.limit('timeout', DEFAULT_TIMEOUT_SECONDS), maxTimeSeconds: args.limit('maxTime') };
  }
}

/** Runs `rm -rf`. If it fails, it is repeated with everything made writable. Goes on to the next path only after a success. */
export class RemoveTreesCommand extends TreeCommand {
  private readonly paths = this.context.args.texts('paths');

  async run(): Promise<number> {
    for (const path of this.paths) {
      const rc = await this.remove(path);
      if (rc !== 0) return rc;
    }
    return 0;
  }

  private async remove(path: string): Promise<number> {
    const rc = await this.execute(['rm', '-rf', '--', path]);
    if (rc <= 0) return rc;
    await this.execute(['chmod', '-Rf', 'u+rwx', '--', path]);
    return this.execute(['rm', '-rf', '--', path]);
  }
}

/** Copies a tree. Links, modes and times are kept. */
export class CopyTreeCommand extends TreeCommand {
  private readonly from = this.context.args.text('from_path');
  private readonly to = this.context.args.text('to_path');

  async run(): Promise<number> {
    await makeDirectories(dirname(this.to));
    return this.execute(['cp', '-R', '-P', '-p', '-v', '--', this.from, this.to]);
  }
}
