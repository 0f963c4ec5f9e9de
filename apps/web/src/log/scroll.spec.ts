import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  isAtEnd,
  linesInSight,
  lineTopPx,
  type Place,
  placeAt,
  placeAtEnd,
  placeOfLine,
  scrolled,
  settled,
  type Sizes,
  sizesOf,
  START,
  within,
} from './scroll.js';

const VIEW_PX = 700;
const lineCount = fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.constantFrom(780_000, 900_000, 12_000_000));
const span = ({ contentPx, viewPx }: Sizes): number => Math.max(0, contentPx - viewPx);
/** Scrolls as a browser does: no further than to the ends. */
const browser = (from: Place, byPx: number, sizes: Sizes): Place =>
  scrolled(from, Math.min(Math.max(0, from.scrollPx + byPx), span(sizes)), sizes);
const sees = (place: Place, line: number, sizes: Sizes): boolean =>
  lineTopPx(line - 1) >= place.topPx - 1 && lineTopPx(line) <= place.topPx + sizes.viewPx + 1;

describe('scrolling', () => {
  it('is the same as in the browser, as long as it can lay out all lines', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 700_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (lines, share) => {
          const sizes = sizesOf(lines, VIEW_PX);
          const scrollPx = Math.floor(share * span(sizes));
          expect(scrolled(START, scrollPx, sizes)).toEqual({ scrollPx, topPx: scrollPx });
        },
      ),
    );
  });

  it.each([1, 100, 800_000, 900_000, 12_000_000, 500_000_000])('of %d lines shows the first and the last', (lines) => {
    const sizes = sizesOf(lines, VIEW_PX);
    const end = placeAtEnd(sizes);
    expect(linesInSight(end, sizes, lines).to).toBe(lines);
    expect(sees(end, lines, sizes)).toBe(true);
    expect(isAtEnd(end, sizes)).toBe(true);
    // Home and End, each as one jump.
    expect(scrolled(end, 0, sizes)).toEqual(START);
    expect(scrolled(START, span(sizes), sizes)).toEqual(end);
  });

  it('shows any requested line, and stays there', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12_000_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (lines, share) => {
          const sizes = sizesOf(lines, VIEW_PX);
          const line = 1 + Math.floor(share * (lines - 1));
          const place = placeOfLine(line, sizes);
          expect(sees(place, line, sizes)).toBe(true);
          expect(scrolled(place, place.scrollPx, sizes)).toEqual(place);
          expect(settled(place, sizes)).toEqual(place);
          expect(within(place, sizes)).toEqual(place);
        },
      ),
    );
  });

  it('by wheel and keys moves the lines by the same distance, anywhere up to the ends', () => {
    const moves = fc.array(fc.integer({ min: -VIEW_PX, max: VIEW_PX }), { maxLength: 60 });
    fc.assert(
      fc.property(lineCount, fc.double({ min: 0, max: 1, noNaN: true }), moves, (lines, share, hand) => {
        const sizes = sizesOf(lines, VIEW_PX);
        const reach = Math.max(0, sizes.linesPx - sizes.viewPx);
        let place = placeAt(share * reach, sizes);
        for (const byPx of hand) {
          const expected = Math.min(Math.max(0, place.topPx + byPx), reach);
          const next = browser(place, byPx, sizes);
          expect(next.topPx).toBeCloseTo(expected, 3);
          expect(next.scrollPx).toBeGreaterThanOrEqual(0);
          expect(next.scrollPx).toBeLessThanOrEqual(span(sizes) + 1e-6);
          place = next;
        }
      }),
      { numRuns: 500 },
    );
  });

  it('reaches the very first and last line by small steps from nearby', () => {
    for (const lines of [900_000, 12_000_000]) {
      const sizes = sizesOf(lines, VIEW_PX);
      let place = placeOfLine(200, sizes);
      for (let i = 0; i < 200; i++) place = browser(place, -57, sizes);
      expect(place).toEqual(START);
      place = placeOfLine(lines - 200, sizes);
      for (let i = 0; i < 200; i++) place = browser(place, 57, sizes);
      expect(place).toEqual(placeAtEnd(sizes));
    }
  });

  it('ends where the lines end', () => {
    const place = placeAtEnd(sizesOf(900_000, VIEW_PX));
    const sizes = sizesOf(10, VIEW_PX);
    expect(within(place, sizes)).toEqual(START);
    expect(linesInSight(START, sizes, 10)).toEqual({ from: 0, to: 10 });
  });
});
