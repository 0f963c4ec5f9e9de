import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FolderBlobs } from '../../src/blobs/folder-blobs.js';
import { UploadsLimit } from '../../src/core/step-limits.js';
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
    const { sink, finish } = (await transferSink(new FolderBlobs(folder), BUILD, request, new UploadsLimit()))!;
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

  it('is readable for its engine only, and follows no link that somebody left', async () => {
    const { write, finish } = await upload('upload_file', null);
    await write(Buffer.from('abc'));
    await finish(true);
    const own = join(folder, BUILD.slice(0, 8), BUILD);
    expect([own, join(own, 'f')].map((path) => statSync(path).mode & 0o777)).toEqual([0o700, 0o600]);

    const elsewhere = join(folder, 'elsewhere');
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, 'secret'), 'secret');
    rmSync(own, { recursive: true });
    symlinkSync(elsewhere, own);
    await expect(upload('upload_file', null)).rejects.toMatchObject({ code: 'blob-folder' });
    rmSync(own);
    mkdirSync(own);
    symlinkSync(join(elsewhere, 'secret'), join(own, 'f'));
    await expect(new FolderBlobs(folder).reader(BUILD, 'f')).rejects.toMatchObject({ code: 'not-found' });
    const over = await upload('upload_file', null);
    await over.write(Buffer.from('new'));
    await over.finish(true);
    expect(readFileSync(join(elsewhere, 'secret'), 'utf8')).toBe('secret');
    expect(readFileSync(join(own, 'f'), 'utf8')).toBe('new');
  });

  it.each(['../../x', '/etc/passwd', '..', '.', '', 'a/b', '\u0000', 'x'.repeat(500)])(
    'stays in its folder when it is called %j',
    async (name) => {
      const writer = await new FolderBlobs(folder).writer(BUILD, name);
      await writer.write(Buffer.from('x'));
      await writer.commit();
      expect(files()).toHaveLength(1);
      expect(readdirSync(folder)).toEqual([BUILD.slice(0, 8)]);
    },
  );
});
