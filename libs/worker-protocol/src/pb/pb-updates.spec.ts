import { describe, expect, it } from '@jest/globals';
import { ProtocolError } from '../protocol-error.js';
import { Float } from './banana.js';
import { type Jelly, Tuple } from './jelly.js';
import { UpdateReader } from './pb-updates.js';

/** Returns the argument of `update`: each dictionary is followed by a zero. */
function argument(...dictionaries: Record<string, Jelly>[]): Jelly {
  return dictionaries.map((one) => [new Map<Jelly, Jelly>(Object.entries(one)), 0]);
}

describe('UpdateReader', () => {
  it('reads every kind of update, one or several in a dictionary, and leaves out unknown keys', () => {
    const reader = new UpdateReader(1000);
    expect(
      reader.read(
        argument(
          { stdout: 'a\n', stderr: Buffer.from('b\n'), header: 'c\n', log: new Tuple(['file', 'd\n']) },
          { rc: 3, elapsed: new Float(1.5), failure_reason: 'timeout', novelty: 1 },
          { files: ['x', 'y'], stat: new Tuple([33188, 2n ** 60n, 1, 1, 0, 0, 5, 6, 7, 8]) },
        ),
      ),
    ).toEqual([
      { kind: 'stdout', text: 'a\n' },
      { kind: 'stderr', text: 'b\n' },
      { kind: 'header', text: 'c\n' },
      { kind: 'log', name: 'file', text: 'd\n' },
      { kind: 'rc', rc: 3 },
      { kind: 'elapsed', seconds: 1.5 },
      { kind: 'failure_reason', reason: 'timeout' },
      { kind: 'files', files: ['x', 'y'] },
      { kind: 'stat', stat: [33188, 2n ** 60n, 1, 1, 0, 0, 5, 6, 7, 8] },
    ]);
    expect(reader.rest()).toEqual([]);
  });

  it('joins the lines of each stream, which old workers send in pieces', () => {
    const reader = new UpdateReader(1000);
    const pieces: Record<string, Jelly>[] = [
      { stdout: 'one\r' },
      { stderr: 'err' },
      { log: new Tuple(['a', 'left']) },
      { log: new Tuple(['b', 'other\nri']) },
      { stdout: '\ntw' },
      { log: new Tuple(['a', ' right\n']) },
      { stdout: 'o\nthree' },
    ];
    expect(pieces.flatMap((piece) => reader.read(argument(piece)))).toEqual([
      { kind: 'log', name: 'b', text: 'other\n' },
      { kind: 'stdout', text: 'one\n' },
      { kind: 'log', name: 'a', text: 'left right\n' },
      { kind: 'stdout', text: 'two\n' },
    ]);
    expect(reader.rest()).toEqual([
      { kind: 'stdout', text: 'three\n' },
      { kind: 'stderr', text: 'err\n' },
      { kind: 'log', name: 'b', text: 'ri\n' },
    ]);
  });

  it.each<[string, Jelly]>([
    ['no list', null],
    ['no pairs', [1]],
    ['text that is a number', argument({ stdout: 1 })],
    ['a log without a name', argument({ log: 'x' })],
    ['an exit status that is text', argument({ rc: 'x' })],
    ['files that are no list', argument({ files: 'x' })],
    ['a stat of text', argument({ stat: ['x'] })],
  ])('refuses %s', (_what, wrong) => {
    expect(() => new UpdateReader(1000).read(wrong)).toThrow(ProtocolError);
  });
});
