import { describe, expect, it } from '@jest/globals';
import { PictureCache } from './picture-cache.js';

const picture = (bytes: number) => ({ type: 'image/png', bytes: Buffer.alloc(bytes) });

describe('PictureCache', () => {
  it('keeps a picture for its time, and that there is none for another', () => {
    let nowMs = 0;
    const cache = new PictureCache({ maxBytes: 10_000, pictureMs: 100, nothingMs: 10 }, () => nowMs);
    const one = picture(1);
    cache.set('a', one);
    cache.set('b', null);
    expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual([one, null, undefined]);
    nowMs = 10;
    expect([cache.get('a'), cache.get('b')]).toEqual([one, undefined]);
    nowMs = 100;
    expect(cache.get('a')).toBeUndefined();
    expect(cache.heldBytes).toBe(0);
  });

  it('never holds more bytes than it may, and gives up what was not asked for the longest', () => {
    const cache = new PictureCache({ maxBytes: 10_000, pictureMs: 100, nothingMs: 100 }, () => 0);
    for (const address of ['a', 'b', 'c']) cache.set(address, picture(2_500));
    cache.get('a');
    cache.set('d', picture(2_500));
    expect(['a', 'b', 'c', 'd'].map((address) => cache.get(address) !== undefined)).toEqual([true, false, true, true]);
    for (let number = 0; number < 1_000; number++) {
      cache.set(`n${number % 300}`, number % 2 === 0 ? null : picture(number));
      expect(cache.heldBytes).toBeLessThanOrEqual(10_000);
    }
    cache.set('large', picture(20_000));
    expect([cache.get('large'), cache.heldBytes]).toEqual([undefined, 0]);
  });
});
