import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type ChunkSize, planMerges } from './seal.js';

const chunks = (...bytes: number[]): ChunkSize[] => bytes.map((size, i) => ({ firstLine: i, lines: 1, bytes: size }));

describe('planMerges', () => {
  it.each<[string, ChunkSize[], number[][]]>([
    ['nothing', [], []],
    ['one small chunk stays', chunks(10), []],
    ['neighbours become one', chunks(10, 20, 30), [[0, 1, 2]]],
    [
      'a large one is left alone and separates',
      chunks(10, 20, 9000, 30, 40),
      [
        [0, 1],
        [3, 4],
      ],
    ],
    ['a small one between large ones stays', chunks(9000, 10, 9000), []],
    [
      'no merged chunk gets too large',
      chunks(...Array<number>(10).fill(8000)),
      [
        [0, 1, 2, 3, 4, 5, 6, 7],
        [8, 9],
      ],
    ],
    [
      'nor one of too many lines that repeat themselves',
      chunks(50, 50, 50, 50).map((chunk, i) => ({ ...chunk, lines: i === 3 ? 6000 : 2000 })),
      [[0, 1]],
    ],
  ])('%s', (_name, input, expected) => {
    expect(planMerges(input).map((run) => run.map((chunk) => chunk.firstLine))).toEqual(expected);
  });

  it('only joins neighbours, each chunk once', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20_000)), (sizes) => {
        const seen = planMerges(chunks(...sizes))
          .flat()
          .map((chunk) => chunk.firstLine);
        expect(new Set(seen).size).toBe(seen.length);
        for (const run of planMerges(chunks(...sizes))) {
          expect(run.map((chunk) => chunk.firstLine)).toEqual(run.map((_, i) => run[0]!.firstLine + i));
        }
      }),
    );
  });
});
