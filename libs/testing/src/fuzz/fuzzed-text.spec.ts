import { describe, expect, it } from '@jest/globals';
import { Dice } from '@millrace/worker-protocol/fuzzing';
import { fuzzedText } from './fuzzed-text.js';
import { EVENT_FRAMES, WAMP_MESSAGES } from './seeds.js';

describe('fuzzedText', () => {
  it('is the same for the same seed, and nearly always different for others', () => {
    const texts = Array.from({ length: 2_000 }, (_, seed) => fuzzedText(new Dice(seed), WAMP_MESSAGES));
    texts.forEach((text, seed) => expect(fuzzedText(new Dice(seed), WAMP_MESSAGES)).toBe(text));
    expect(new Set(texts).size).toBeGreaterThan(1_000);
  });

  it('makes valid messages, broken ones, deep ones and texts that are no JSON', () => {
    const texts = Array.from({ length: 5_000 }, (_, seed) => fuzzedText(new Dice(seed), EVENT_FRAMES));
    const isJson = (text: string): boolean => {
      try {
        JSON.parse(text);
        return true;
      } catch {
        return false;
      }
    };
    expect(texts.filter((text) => EVENT_FRAMES.some((frame) => JSON.stringify(frame) === text)).length).toBeGreaterThan(
      500,
    );
    expect(texts.filter(isJson).length).toBeGreaterThan(2_000);
    expect(texts.filter((text) => !isJson(text)).length).toBeGreaterThan(500);
    expect(texts.filter((text) => text.includes('['.repeat(10_000))).length).toBeGreaterThan(10);
    expect(Math.max(...texts.map((text) => text.length))).toBeLessThan(64 << 10);
  });
});
