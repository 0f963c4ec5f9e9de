import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const RESTART_AFTER_MS = 250;

export interface ExtraProcessOptions {
  readonly name: string;
  /** Returns the path of a Node program; asked at each start. */
  readonly script: () => string;
  readonly args?: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly onLine: (line: string) => void;
}

/** A process beside those of `millrace start`, as on a second machine. It is restarted whenever it ends. */
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

  /** Null between two starts. */
  get pid(): number | null {
    return this.child?.pid ?? null;
  }

  /** Asks the process to end, and kills it after `patienceMs`. */
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
    // If this process dies, the end of the IPC channel stops the child.
    const child = spawn(process.execPath, [script(), ...args], { env, cwd, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
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
