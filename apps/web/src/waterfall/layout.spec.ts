import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { layout, type Mark, MIN_BAR_PX, type Span } from './layout.js';

const span = (id: number, column: number, start: number, end: number): Span => ({ id, column, start, end });

describe('the waterfall', () => {
  it('puts the newest at the top', () => {
    const { bars } = layout([span(1, 0, 0, 60), span(2, 0, 100, 160)], 16);
    const [older, newer] = [bars.find((bar) => bar.id === 1)!, bars.find((bar) => bar.id === 2)!];
    expect(newer.topPx).toBe(0);
    expect(older.topPx).toBeGreaterThanOrEqual(newer.topPx + newer.heightPx);
  });

  it('keeps every bar tall enough to read, without overlaps in a column', () => {
    const spans = Array.from({ length: 200 }, (_, i) => span(i, i % 3, i * 7, i * 7 + 1 + (i % 20)));
    const { bars } = layout(spans, 4);
    for (const bar of bars) expect(bar.heightPx).toBeGreaterThanOrEqual(MIN_BAR_PX - 0.001);
    for (const a of bars) {
      for (const b of bars) {
        if (a === b || a.column !== b.column || a.lane !== b.lane) continue;
        const apart = a.topPx + a.heightPx <= b.topPx + 0.001 || b.topPx + b.heightPx <= a.topPx + 0.001;
        expect(apart).toBe(true);
      }
    }
  });

  it('shortens pauses and shows how long they were', () => {
    const { marks, heightPx } = layout([span(1, 0, 0, 60), span(2, 0, 90_000, 90_060)], 16);
    expect(marks.filter((mark) => mark.idleSeconds !== null)).toEqual([
      expect.objectContaining({ idleSeconds: 89_940 }),
    ]);
    expect(heightPx).toBeLessThan(120);
  });

  it.each([4, 16, 64])('never labels two times with the same text, at %d pixels a minute', (pxPerMinute) => {
    const builds = fc.array(fc.tuple(fc.nat(2), fc.nat(40_000), fc.nat(4000)), { minLength: 1, maxLength: 60 });
    const label = (mark: Mark): string =>
      new Date(mark.at * 1000).toISOString().slice(0, mark.withSeconds ? 'YYYY-MM-DDTHH:MM:SS'.length : -8);
    fc.assert(
      fc.property(builds, (all) => {
        const spans = all.map(([column, start, seconds], i) => span(i, column, start, start + seconds));
        const labels = layout(spans, pxPerMinute).marks.map(label);
        expect(new Set(labels).size).toBe(labels.length);
      }),
    );
  });

  it('labels times by minutes when that distinguishes them', () => {
    const hours = layout([span(1, 0, 0, 7200), span(2, 0, 7200, 14_400)], 16);
    expect(hours.marks.map(({ withSeconds }) => withSeconds)).toEqual(hours.marks.map(() => false));
    const seconds = layout(
      Array.from({ length: 30 }, (_, i) => span(i, 0, 2 * i, 2 * i + 2)),
      16,
    );
    expect(seconds.marks.map(({ withSeconds }) => withSeconds)).toEqual(seconds.marks.map(() => true));
  });

  it('gives simultaneous builds separate lanes', () => {
    const { bars } = layout([span(1, 0, 0, 100), span(2, 0, 50, 150), span(3, 0, 200, 300), span(4, 1, 0, 300)], 16);
    const lanes = Object.fromEntries(bars.map((bar) => [bar.id, [bar.lane, bar.lanes]]));
    expect(lanes).toEqual({ 1: [1, 2], 2: [0, 2], 3: [0, 1], 4: [0, 1] });
  });

  it('is empty without builds', () => {
    expect(layout([], 16)).toEqual({ bars: [], marks: [], heightPx: 0 });
  });
});
