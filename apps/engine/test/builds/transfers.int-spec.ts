import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FolderBlobs } from '../../src/blobs/folder-blobs.js';
import { transferSink } from '../../src/builds/transfers.js';
import type { CommandRequest } from '../../src/runner/runner.js';

const BUILD = '0198c0de-0000-7000-8000-000000000001' as Parameters<typeof transferSink>[1];

describe('an upload', () => {
  let folder: string;
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'millrace-transfers-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  const files = (): string[] => readdirSync(join(folder, BUILD.slice(0, 8), BUILD));
  const upload = async (name: 'upload_file' | 'upload_directory', maxsize: number | null) => {
    const request: CommandRequest = {
      stepNumber: 0,
      ordinal: 0,
      name,
      args: { path: '/w/f', maxsize },
      log: null,
      upload: { blob: 'f' },
    };
    const { sink, finish } = (await transferSink(new FolderBlobs(folder), BUILD, request))!;
    return { write: (name === 'upload_file' ? sink.writeUpload : sink.writeDirectory)!, finish };
  };

  it.each([[null], [6]])('is kept when the command succeeds, with a limit of %s', async (maxsize) => {
    const { write, finish } = await upload('upload_file', maxsize);
    for (const block of ['abc', 'def']) await write(Buffer.from(block));
    await finish(true);
    expect(readFileSync(join(folder, BUILD.slice(0, 8), BUILD, 'f'), 'utf8')).toBe('abcdef');
  });

  it.each(['upload_file', 'upload_directory'] as const)(
    '(%s) may not be larger than it was asked for',
    async (name) => {
      const { write, finish } = await upload(name, 5);
      await write(Buffer.from('abc'));
      await expect(write(Buffer.from('def'))).rejects.toMatchObject({
        code: 'upload-too-large',
        message: "the worker sends more of 'f' than the 5 bytes allowed",
      });
      await finish(false);
      expect(files()).toEqual([]);
    },
  );
});
