import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const RESTART_AFTER_MS = 250;

export interface ExtraProcessOptions {
  readonly name: string;
  /** A Node program. */
  readonly script: string;
  readonly args?: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly onLine: (line: string) => void;
}

/** A process beside those of `millrace start`, as on a second machine: whenever it ends, it is started again. */
export class ExtraProcess {
  private child: ChildProcess | null = null;
  private timer: NodeJS.Timeout | null = null;
  private stopping = false;

  constructor(private readonly options: ExtraProcessOptions) {
    this.launch();
  }

  get name(): string {
    return this.options.name;
  }

  /** Null while it is being started again. */
  get pid(): number | null {
    return this.child?.pid ?? null;
  }

  /** Asks it to end, and ends it after `patienceMs`. */
  async stop(patienceMs = 4000): Promise<void> {
    this.stopping = true;
    if (this.timer) clearTimeout(this.timer);
    const { child } = this;
    if (!child) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGCONT');
    child.kill('SIGTERM');
    const kill = setTimeout(() => child.kill('SIGKILL'), patienceMs);
    await exited;
    clearTimeout(kill);
  }

  private launch(): void {
    const { script, args = [], env, cwd, name, onLine } = this.options;
    // The IPC channel's end, should this process die, stops it.
    const child = spawn(process.execPath, [script, ...args], { env, cwd, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    this.child = child;
    for (const stream of [child.stdout!, child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => onLine(`${name} | ${line}`));
    }
    child.once('exit', (code, signal) => {
      this.child = null;
      if (this.stopping) return;
      onLine(`${name} | ended (${signal ?? `code ${code}`}); starts again in ${RESTART_AFTER_MS} ms`);
      this.timer = setTimeout(() => this.launch(), RESTART_AFTER_MS);
    });
  }
}
