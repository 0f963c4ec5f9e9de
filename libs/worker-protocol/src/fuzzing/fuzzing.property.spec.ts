import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Dice, type FuzzedCase, fuzzMsgpack, fuzzPb, fuzzRelay } from './index.js';

/** Cases per protocol. `npm run bench` has the run of a million. */
const CASES = 2_000;

describe('a session never throws, whatever a worker sends: it closes once, says why, and leaves nothing open', () => {
  const { stackTraceLimit } = Error;
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown): void => void rejections.push(reason);
  beforeAll(() => {
    // Nearly every case ends in an error. Capturing stacks would take most of the time.
    Error.stackTraceLimit = 0;
    process.on('unhandledRejection', onRejection);
  });
  afterAll(() => {
    Error.stackTraceLimit = stackTraceLimit;
    process.off('unhandledRejection', onRejection);
  });

  it.each([
    ['msgpack', fuzzMsgpack],
    ['PB', fuzzPb],
    ['a relay', fuzzRelay],
  ])(
    'over %s',
    async (_protocol, fuzz) => {
      const all: FuzzedCase[] = [];
      for (let seed = 0; seed < CASES; seed++) {
        try {
          all.push(await fuzz(new Dice(seed)));
        } catch (cause) {
          throw new Error(`case ${seed}`, { cause });
        }
      }
      const sum = (what: (one: FuzzedCase) => number | boolean): number =>
        all.reduce((total, one) => total + Number(what(one)), 0);
      expect(rejections).toEqual([]);
      // The cases test something: most get beyond the login, and the session does not refuse everything after it.
      expect(sum(({ isAttached }) => isAttached)).toBeGreaterThan(CASES / 2);
      expect(sum(({ updates }) => updates)).toBeGreaterThan(CASES);
      expect(sum(({ transfers }) => transfers)).toBeGreaterThan(CASES / 2);
      expect(sum(({ completed }) => completed)).toBeGreaterThan(CASES / 20);
      expect(sum(({ isClosed }) => isClosed)).toBeGreaterThan(CASES / 10);
    },
    // Long enough for a busy machine.
    240_000,
  );
});
