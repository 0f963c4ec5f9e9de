import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@millrace/testing';
import { SupervisedProcess } from '../src/supervisor/supervised-process.js';

let folder: string;
let notes: string[];
let lines: string[];
let refused: boolean;
let child: SupervisedProcess;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-supervisor-'));
  [notes, lines, refused] = [[], [], false];
});
afterEach(async () => {
  await child.stop(1000);
  rmSync(folder, { recursive: true });
});

function supervise(source: string, env: NodeJS.ProcessEnv = {}): void {
  const script = join(folder, 'child.cjs');
  writeFileSync(script, source);
  child = new SupervisedProcess(
    { name: 'child', script, env },
    {
      line: (_name, line) => lines.push(line),
      note: (_name, text) => notes.push(text),
      refused: () => (refused = true),
    },
  );
  child.start();
}

describe('a supervised process', () => {
  it('is retried when no process could be made, and can be stopped meanwhile', async () => {
    const { execPath } = process;
    try {
      process.execPath = join(folder, 'nothing');
      supervise(`console.log('up'); setInterval(() => undefined, 1000);`);
      await eventually(() => notes.some((note) => /ENOENT.*starts again in/.test(note)), { what: 'a failed start' });
    } finally {
      process.execPath = execPath;
    }
    await eventually(() => lines.includes('up'), { what: 'a start' });
  });

  it('is retried when spawning throws', async () => {
    supervise('', { TOO_MUCH: 'x'.repeat(3 << 20) });
    await eventually(() => notes.length > 1, { what: 'two failed starts' });
    expect(notes[0]).toMatch(/E2BIG.*starts again in/);
    await child.stop(1000);
  });

  it('is given up when it refuses to start, unless it has been ready before', async () => {
    supervise('process.exit(78);');
    await eventually(() => refused, { what: 'a refusal' });
    expect(notes).toEqual([]);

    refused = false;
    child.hasBeenReady();
    child.start();
    await eventually(() => notes.length > 1, { what: 'two starts' });
    expect(notes[0]).toMatch(/code 78: what it says above has to be mended\); starts again in/);
    expect(refused).toBe(false);
  });
});
