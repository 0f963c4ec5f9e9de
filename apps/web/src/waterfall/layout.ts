/** A build in the waterfall. Times are seconds since the epoch. */
export interface Span {
  readonly id: number;
  readonly column: number;
  readonly start: number;
  readonly end: number;
}

export interface Bar {
  readonly id: number;
  readonly column: number;
  readonly topPx: number;
  readonly heightPx: number;
  /** Index of this build's lane among `lanes`: simultaneous builds of one builder share its column. */
  readonly lane: number;
  readonly lanes: number;
}

/** A label at a height: a time of day, or how long nothing ran. */
export interface Mark {
  readonly topPx: number;
  readonly at: number;
  /** Seconds in which nothing was built; null for a plain time. */
  readonly idleSeconds: number | null;
  /** Whether the label needs seconds to differ from the one beside it. */
  readonly withSeconds: boolean;
}

export interface Layout {
  readonly bars: readonly Bar[];
  readonly marks: readonly Mark[];
  readonly heightPx: number;
}

export const MIN_BAR_PX = 22;
const IDLE_PX = 30;
/** Longer pauses in which nothing runs are drawn as a break. */
const IDLE_SECONDS = 300;
const MARK_EVERY_PX = 90;

/**
 * Computes the positions of the bars: the newest at the top, time running down into the past. Heights follow durations at `pxPerMinute`
 * (ever less for long ones, so that an hour stays on the screen), but no bar is lower than `MIN_BAR_PX`, and pauses are shortened. The axis
 * is monotonic, not linear, and the same for all columns.
 */
export function layout(spans: readonly Span[], pxPerMinute: number): Layout {
  if (spans.length === 0) return { bars: [], marks: [], heightPx: 0 };
  const times = [...new Set(spans.flatMap((span) => [span.start, Math.max(span.end, span.start + 1)]))].sort(
    (a, b) => b - a,
  );
  const indexOf = new Map(times.map((time, i) => [time, i]));
  const running = new Array<number>(times.length).fill(0);
  const placed = spans.map((span) => ({
    span,
    top: indexOf.get(Math.max(span.end, span.start + 1))!,
    bottom: indexOf.get(span.start)!,
  }));
  for (const { top, bottom } of placed) for (let i = top; i < bottom; i++) running[i]! += 1;

  // heights[i] is the height from times[i] down to times[i + 1].
  const heights = times.slice(0, -1).map((time, i) => {
    const seconds = time - times[i + 1]!;
    if (running[i] === 0) return seconds > IDLE_SECONDS ? IDLE_PX : 4;
    return scaled(seconds, pxPerMinute);
  });
  // Shortest bars first: the height that they add is part of the longer bars around them as well.
  for (const { top, bottom } of [...placed].sort((a, b) => a.bottom - a.top - (b.bottom - b.top))) {
    let height = 0;
    for (let i = top; i < bottom; i++) height += heights[i]!;
    if (height >= MIN_BAR_PX) continue;
    const share = (MIN_BAR_PX - height) / (bottom - top);
    for (let i = top; i < bottom; i++) heights[i]! += share;
  }
  const tops = [0];
  for (const height of heights) tops.push(tops.at(-1)! + height);

  const marked: Omit<Mark, 'withSeconds'>[] = [];
  let lastMarkPx = -Infinity;
  times.forEach((time, i) => {
    const topPx = tops[i]!;
    const seconds = running[i] === 0 && i < heights.length ? time - times[i + 1]! : 0;
    const idleSeconds = seconds > IDLE_SECONDS ? seconds : null;
    if (idleSeconds === null && topPx - lastMarkPx < MARK_EVERY_PX) return;
    marked.push({ topPx, at: time, idleSeconds });
    lastMarkPx = topPx;
  });
  const isNear = (a: number, b: number | undefined): boolean => b !== undefined && Math.abs(a - b) < 60;
  const marks = marked.map((mark, i) => ({
    ...mark,
    withSeconds: isNear(mark.at, marked[i - 1]?.at) || isNear(mark.at, marked[i + 1]?.at),
  }));
  const lanes = lanesOf(placed);
  return {
    bars: placed.map(({ span, top, bottom }) => ({
      id: span.id,
      column: span.column,
      topPx: tops[top]!,
      heightPx: tops[bottom]! - tops[top]!,
      ...lanes.get(span.id)!,
    })),
    marks,
    heightPx: tops.at(-1)!,
  };
}

interface Placed {
  readonly span: Span;
  readonly top: number;
  readonly bottom: number;
}

/** Gives overlapping bars of a column separate lanes. A bar that overlaps no other has the whole width. */
function lanesOf(placed: readonly Placed[]): Map<number, { lane: number; lanes: number }> {
  const result = new Map<number, { lane: number; lanes: number }>();
  const columns = new Map<number, Placed[]>();
  for (const bar of placed) {
    const list = columns.get(bar.span.column);
    if (list) list.push(bar);
    else columns.set(bar.span.column, [bar]);
  }
  for (const bars of columns.values()) {
    bars.sort((a, b) => a.top - b.top || a.span.id - b.span.id);
    let group: { id: number; lane: number }[] = [];
    let laneEnds: number[] = [];
    const close = (): void => {
      for (const { id, lane } of group) result.set(id, { lane, lanes: laneEnds.length });
      group = [];
      laneEnds = [];
    };
    for (const { span, top, bottom } of bars) {
      if (laneEnds.every((end) => end <= top)) close();
      let lane = laneEnds.findIndex((end) => end <= top);
      if (lane < 0) lane = laneEnds.length;
      laneEnds[lane] = bottom;
      group.push({ id: span.id, lane });
    }
    close();
  }
  return result;
}

/** Returns the height of a duration: linear up to ten minutes, then growing ever more slowly. */
function scaled(seconds: number, pxPerMinute: number): number {
  const minutes = seconds / 60;
  return pxPerMinute * (minutes <= 10 ? minutes : 10 + 5 * Math.log2(minutes / 10));
}
