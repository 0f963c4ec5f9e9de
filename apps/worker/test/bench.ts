import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { CommandName, CommandSink, CommandUpdate } from '@millrace/worker-protocol';
import type { Attached, Ran } from './test-master.js';

/** The result of a command on one worker, as a step and a reader of its log see it. */
export interface Seen {
  readonly rc: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly header: string;
  /** Whether there was a failure, or the command was not started at all. The texts differ between workers. */
  readonly failure: boolean;
  readonly failureReason: string | null;
  readonly logs: Readonly<Record<string, string>>;
  readonly files: readonly string[] | null;
  /** Further results that a case has read. */
  readonly also: unknown;
}

const NOT_RUN: Seen = {
  rc: null,
  stdout: '',
  stderr: '',
  header: '',
  failure: true,
  failureReason: null,
  logs: {},
  files: null,
  also: null,
};
const LIMITS = { maxsize: null, blocksize: 1000 };

/** A separate folder for one case on one worker, and helpers for the case. */
export class Bench {
  constructor(
    private readonly attached: Attached,
    private readonly folder: string,
  ) {
    mkdirSync(folder);
  }

  at(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  /** Writes a file, and makes its parent folders. */
  file(path: string, content = 'x', mode = 0o644): void {
    mkdirSync(dirname(this.at(path)), { recursive: true });
    writeFileSync(this.at(path), content, { mode });
  }

  /** @param interruptAfter output after which the command is interrupted */
  shell(command: unknown, args: Record<string, unknown> = {}, interruptAfter?: string): Promise<Seen> {
    const usual = { workdir: this.folder, env: {}, timeout: null, usePTY: false, logEnviron: false };
    return this.run('shell', { ...usual, command, ...args }, {}, interruptAfter);
  }

  onPath(name: 'stat' | 'listdir' | 'glob' | 'rmfile', path: string): Promise<Seen> {
    return this.run(name, { path: `${this.folder}/${path}` });
  }

  async upload(path: string, args: Record<string, unknown> = {}): Promise<Seen> {
    const blocks: Buffer[] = [];
    const calls: string[] = [];
    const seen = await this.run(
      'upload_file',
      { path: this.at(path), ...LIMITS, keepstamp: false, ...args },
      {
        writeUpload: async (block) => void blocks.push(Buffer.from(block)),
        closeUpload: async () => void calls.push('close'),
        uploadTimes: async () => void calls.push('times'),
      },
    );
    return { ...seen, also: { content: Buffer.concat(blocks).toString('latin1'), calls } };
  }

  async uploadDirectory(path: string, args: Record<string, unknown> = {}): Promise<Seen> {
    let calls = '';
    const seen = await this.run(
      'upload_directory',
      { path: this.at(path), ...LIMITS, compress: null, ...args },
      {
        writeDirectory: async () => void (calls = 'write '),
        unpackDirectory: async () => void (calls += 'unpack'),
      },
    );
    return { ...seen, also: calls };
  }

  async download(path: string, content: string, args: Record<string, unknown> = {}): Promise<Seen> {
    let rest = Buffer.from(content, 'latin1');
    let closed = 0;
    const seen = await this.run(
      'download_file',
      { path: this.at(path), ...LIMITS, mode: null, ...args },
      {
        readDownload: async (length) => {
          const block = rest.subarray(0, length);
          rest = rest.subarray(length);
          return block;
        },
        closeDownload: async () => void (closed += 1),
      },
    );
    return { ...seen, also: { closed } };
  }

  async run(
    name: CommandName,
    args: Record<string, unknown>,
    sink: Partial<CommandSink> = {},
    interruptAfter?: string,
  ): Promise<Seen> {
    const id = this.folder;
    let output = '';
    let isInterrupted = false;
    const updates: CommandUpdate[] = [];
    const take = (batch: readonly CommandUpdate[]): void => {
      updates.push(...batch);
      for (const update of batch) if (update.kind === 'stdout') output += update.text;
      if (interruptAfter === undefined || isInterrupted || !output.includes(interruptAfter)) return;
      isInterrupted = true;
      void this.attached.session.interrupt(id, 'enough');
    };
    let ran: Ran;
    try {
      ran = await this.attached.run(name, args, { ...sink, updates: take }, id);
    } catch (error) {
      if ((error as { code?: unknown }).code === 'command-refused') return NOT_RUN;
      throw error;
    }
    return this.seen(ran, updates);
  }

  private seen({ rc, failure, failureReason, files }: Ran, updates: readonly CommandUpdate[]): Seen {
    const texts = new Map<string, string>();
    const logs: Record<string, string> = {};
    for (const update of updates) {
      if (update.kind === 'log') logs[update.name] = (logs[update.name] ?? '') + update.text;
      else if ('text' in update) texts.set(update.kind, (texts.get(update.kind) ?? '') + update.text);
    }
    const text = (kind: string): string => this.stable(texts.get(kind) ?? '');
    return {
      rc,
      stdout: text('stdout'),
      stderr: text('stderr'),
      header: text('header'),
      failure: failure !== null,
      failureReason,
      logs,
      files: files?.map((file) => this.stable(file)).toSorted() ?? null,
      also: null,
    };
  }

  /** Removes differences between places, times, and Node and Python. */
  private stable(text: string): string {
    return (
      text
        .replaceAll(this.folder, '/case')
        .replace(/elapsedTime=[\d.]+/g, 'elapsedTime=…')
        // The folder in which trees are removed and copied.
        .replaceAll(` in dir ${dirname(this.folder)}\n`, ' in dir /basedir\n')
        // Our worker ends the options there, because a path may begin with a dash.
        .replace(/ --(?= )|(?<=, )b'--', /g, '')
        // A traceback of several lines.
        .replace(/^(?:Upon execvpe |cannot start )[^]*/, 'cannot start it: …\n')
        .replace(/^error in RunProcess\._startCommand [^]*/, '')
        // Stock workers give no reason, or give it in Python's words.
        .replace(/^(Cannot (?:open file|read directory) '.*' for (?:up|down)load)(?:: .*)?$/gm, '$1: …')
    );
  }
}
