import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, cp, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { harmlessEnvironment, type JsonValue, NO_SOURCE, type Properties, type Result } from '@millrace/domain';
import type { TriggerOutcome } from '@millrace/config';
import type {
  BuildServices,
  BuildJob,
  CommandRequest,
  CommandResult,
  LocksRequest,
  LocksResult,
  StepState,
  TestResultsCall,
  TriggerCall,
} from '../../src/runner/runner.js';

export interface SeenStep {
  name: string;
  results: Result | null;
  stateString: string | null;
  hidden: boolean;
}

/** An engine of one build that is its own worker: commands really run, here. It keeps every call. */
export class FakeBuildServices implements BuildServices {
  readonly steps: SeenStep[] = [];
  readonly requests: CommandRequest[] = [];
  readonly events: string[] = [];
  readonly logs = new Map<string, string>();
  readonly states: StepState[] = [];
  readonly uploads: string[] = [];
  readonly data: { name: string; source: string; value: string }[] = [];
  readonly tests: TestResultsCall[] = [];
  properties: Record<string, readonly [JsonValue, string]> = {};
  /** Answers in place of the command, when it returns something. */
  intercept: (request: CommandRequest) => CommandResult | Promise<CommandResult> | undefined = () => undefined;
  /** Answers a step that wants locks. Without it the step has them at once. */
  locks: (request: LocksRequest) => Promise<LocksResult> = () => Promise.resolve({ kind: 'taken', properties: {} });
  private readonly processes = new Map<number, ChildProcess>();
  private readonly interrupted = new Set<number>();

  async startStep(step: { number: number; name: string; hidden: boolean }): Promise<void> {
    this.events.push(`start ${step.name}`);
    this.steps[step.number] = { name: step.name, results: null, stateString: null, hidden: step.hidden };
  }

  takeLocks(request: LocksRequest): Promise<LocksResult> {
    this.events.push(`locks ${request.locks.map(({ lock, mode, count }) => `${lock} ${mode} ${count}`).join(', ')}`);
    return this.locks(request);
  }

  async runCommand(request: CommandRequest): Promise<CommandResult> {
    this.requests.push(request);
    this.events.push(`command ${request.name}`);
    return (await this.intercept(request)) ?? (await this.execute(request));
  }

  async trigger({ schedulers }: TriggerCall): Promise<TriggerOutcome> {
    this.events.push(`trigger ${schedulers.map(({ name }) => name).join(', ')}`);
    return {
      triggered: schedulers.map(({ name }, i) => ({ scheduler: name, buildsetId: i, requestIds: [i], results: null })),
      cancelled: false,
    };
  }

  async interrupt(stepNumber: number, why: string): Promise<void> {
    this.events.push(`interrupt ${stepNumber}: ${why}`);
    this.interrupted.add(stepNumber);
    this.killInterrupted(stepNumber);
  }

  /** Kills the interrupted command, also when its process was not there yet when it was interrupted. */
  private killInterrupted(stepNumber: number): void {
    const pid = this.processes.get(stepNumber)?.pid;
    if (pid !== undefined && this.interrupted.has(stepNumber)) process.kill(-pid, 'SIGKILL');
  }

  async appendLog(stepNumber: number, log: string, _kind: string, text: string): Promise<void> {
    this.append(stepNumber, log, text);
  }

  async setStepState(_stepNumber: number, state: StepState): Promise<void> {
    this.states.push(state);
  }

  async finishStep(step: { number: number; results: Result; stateString: string; hidden: boolean }): Promise<void> {
    const { number, results, stateString, hidden } = step;
    this.events.push(`finish ${this.steps[number]!.name}`);
    this.steps[number] = { ...this.steps[number]!, results, stateString, hidden };
  }

  async setBuildData(data: { name: string; source: string; value: string }): Promise<void> {
    this.data.push(data);
  }

  async addTestResults(tests: TestResultsCall): Promise<void> {
    this.tests.push(tests);
  }

  async setProperties(properties: Properties): Promise<void> {
    this.properties = { ...this.properties, ...properties };
  }

  log(step: string, log = 'stdio'): string {
    return this.logs.get(`${step}/${log}`) ?? '';
  }

  get allText(): string {
    return JSON.stringify([[...this.logs], this.states, this.steps, this.properties]);
  }

  private append(stepNumber: number, log: string, text: string): void {
    const key = `${this.steps[stepNumber]!.name}/${log}`;
    this.logs.set(key, (this.logs.get(key) ?? '') + text);
  }

  private async execute(request: CommandRequest): Promise<CommandResult> {
    const done: CommandResult = { rc: 0, failure: null, failureReason: null, cancelled: false, workerLost: false };
    const { args } = request;
    switch (request.name) {
      case 'shell':
        return await this.shell(request);
      case 'rmfile':
        return await rm(args.path as string).then(
          () => done,
          (error: NodeJS.ErrnoException) => ({ ...done, rc: Math.abs(error.errno ?? 1) }),
        );
      case 'stat':
        return await stat(args.path as string).then(
          () => done,
          (error: NodeJS.ErrnoException) => ({ ...done, rc: Math.abs(error.errno ?? 1) }),
        );
      case 'glob':
        return { ...done, files: await filesOf(args.path as string) };
      case 'rmdir':
        for (const path of args.paths as string[]) await rm(path, { force: true, recursive: true });
        return done;
      case 'mkdir':
        for (const path of args.paths as string[]) await mkdir(path, { recursive: true });
        return done;
      case 'cpdir':
        await cp(args.from_path as string, args.to_path as string, { recursive: true, verbatimSymlinks: true });
        return done;
      case 'upload_file':
        this.uploads.push(`${args.path as string} -> ${request.upload!.blob}`);
        return done;
      case 'download_file': {
        const path = args.path as string;
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, 'content' in request.download! ? Buffer.from(request.download.content, 'base64') : '');
        if (typeof args.mode === 'number') await chmod(path, args.mode);
        return done;
      }
      default:
        return { ...done, rc: null, failure: `no such command: ${request.name}` };
    }
  }

  private async shell({ args, log, capture, stepNumber }: CommandRequest): Promise<CommandResult> {
    const workdir = args.workdir as string;
    await mkdir(workdir, { recursive: true });
    const command = args.command as string | string[];
    const [file, rest] = typeof command === 'string' ? ['/bin/sh', ['-c', command]] : [command[0]!, command.slice(1)];
    const env: NodeJS.ProcessEnv = harmlessEnvironment(process.env);
    for (const [name, value] of Object.entries(args.env as Record<string, string | null>)) {
      if (value === null) delete env[name];
      else env[name] = value;
    }
    if (log !== null) this.append(stepNumber, log, `${rest.join(' ')}\n`);
    const child = spawn(file, rest, { cwd: workdir, env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
    // A command that reads nothing may end first.
    child.stdin.on('error', () => undefined);
    child.stdin.end((args.initial_stdin as string | undefined) ?? '');
    this.processes.set(stepNumber, child);
    this.killInterrupted(stepNumber);
    let stdout = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        if (stream === child.stdout) stdout += text;
        if (log !== null) this.append(stepNumber, log, text);
      });
    }
    const rc = await new Promise<number>((resolve) => {
      child.once('error', () => resolve(127)).on('close', (code) => resolve(code ?? -1));
    });
    this.processes.delete(stepNumber);
    return {
      rc,
      failure: null,
      failureReason: null,
      cancelled: this.interrupted.has(stepNumber),
      workerLost: false,
      ...(capture && { stdout: stdout.slice(0, capture.maxBytes) }),
    };
  }
}

/** Finds files by a pattern with one part that stands for any folders, and whose last name may begin with an asterisk. */
async function filesOf(pattern: string): Promise<string[]> {
  const [folder, name] = pattern.replace(/\[(.)\]/g, '$1').split('/**/') as [string, string];
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const isMeant = name.startsWith('*')
    ? (entry: string) => entry.endsWith(name.slice(1))
    : (entry: string) => entry === name;
  return entries.filter((entry) => isMeant(entry.name)).map((entry) => join(entry.parentPath, entry.name));
}

export function jobFor(
  builderName: string,
  config: { configFile: string; fingerprint: string },
  basedir: string,
  overrides: Partial<BuildJob> = {},
): BuildJob {
  const buildId = nextBuildId++;
  return {
    buildId,
    buildUuid: `00000000-0000-7000-8000-${String(buildId).padStart(12, '0')}`,
    requestId: buildId,
    number: buildId,
    builderName,
    ...config,
    properties: { greeting: ['hello', 'test'] },
    sourceStamps: [NO_SOURCE],
    changes: [],
    worker: { name: 'w', basedir, system: 'posix', environ: {}, env: {} },
    builddir: builderName,
    ...overrides,
  };
}
let nextBuildId = 1;
