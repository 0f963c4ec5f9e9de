export const ROW_PX = 19;
const MARGIN_PX = 6;
/** Greatest height of the scrolled element. Browsers stop laying out beyond about 17 million pixels; a higher log is scrolled to scale. */
const HIGHEST_PX = 15_000_000;
/** A scroll by more views than this at once is a jump. */
const JUMP_VIEWS = 2;

/** Heights of the parts. */
export interface Sizes {
  /** Height of all lines. */
  readonly linesPx: number;
  /** Height of the element that the browser scrolls, at most that of the lines. */
  readonly contentPx: number;
  /** Height of the visible part. */
  readonly viewPx: number;
}

/**
 * A position in a log: how far the browser has scrolled, and which part of the lines is at the top. They are the same except for very long
 * logs.
 */
export interface Place {
  readonly scrollPx: number;
  readonly topPx: number;
}

export const START: Place = { scrollPx: 0, topPx: 0 };

export function sizesOf(lines: number, viewPx: number): Sizes {
  const linesPx = lines * ROW_PX + 2 * MARGIN_PX;
  return { linesPx, contentPx: Math.min(linesPx, HIGHEST_PX), viewPx };
}

const room = (heightPx: number, viewPx: number): number => Math.max(0, heightPx - viewPx);

/** Returns the position with `topPx` of the lines at the top, and the browser's scroll bar to scale. */
export function placeAt(topPx: number, { linesPx, contentPx, viewPx }: Sizes): Place {
  const [lines, content] = [room(linesPx, viewPx), room(contentPx, viewPx)];
  const top = Math.min(Math.max(0, topPx), lines);
  if (lines === content) return { scrollPx: top, topPx: top };
  // Away from the ends there is at least one view to scroll in either direction, or all that is left.
  const least = Math.min(top, viewPx);
  const most = content - Math.min(lines - top, viewPx);
  return { scrollPx: Math.min(Math.max((top / lines) * content, least), most), topPx: top };
}

export function placeAtEnd(sizes: Sizes): Place {
  return placeAt(Infinity, sizes);
}

/** Returns the position with `line` (from 1) in the upper third. */
export function placeOfLine(line: number, sizes: Sizes): Place {
  return placeAt(lineTopPx(line - 1) - sizes.viewPx / 3, sizes);
}

/** Returns where line `index` (from 0) begins. */
export function lineTopPx(index: number): number {
  return MARGIN_PX + index * ROW_PX;
}

/**
 * Returns the position after a scroll to `scrollPx`. A short scroll (wheel, keys) moves the lines by the same distance, so that none is
 * skipped however long the log is. A long one (the bar, Home, End) goes to the proportional part of the lines.
 */
export function scrolled(from: Place, scrollPx: number, sizes: Sizes): Place {
  const { linesPx, contentPx, viewPx } = sizes;
  const [lines, content] = [room(linesPx, viewPx), room(contentPx, viewPx)];
  if (lines === content) return { scrollPx, topPx: scrollPx };
  const byPx = scrollPx - from.scrollPx;
  if (Math.abs(byPx) > JUMP_VIEWS * viewPx) {
    // A scroll to an end goes to the very end.
    const share = scrollPx >= content - 1 ? 1 : scrollPx / content;
    return { scrollPx, topPx: share * lines };
  }
  const topPx = Math.min(Math.max(0, from.topPx + byPx), lines);
  const isStuck = scrollPx < Math.min(topPx, viewPx) || content - scrollPx < Math.min(lines - topPx, viewPx);
  const isOver = (topPx === 0 && scrollPx > 0) || (topPx === lines && scrollPx < content);
  return isStuck || isOver ? placeAt(topPx, sizes) : { scrollPx, topPx };
}

/** Returns the position limited to the current sizes: a log can get shorter, and a window higher. */
export function within(place: Place, sizes: Sizes): Place {
  const fits =
    place.topPx <= room(sizes.linesPx, sizes.viewPx) && place.scrollPx <= room(sizes.contentPx, sizes.viewPx);
  return fits ? place : placeAt(place.topPx, sizes);
}

/** Returns the position with the same lines and the scroll bar to scale again. */
export function settled(place: Place, sizes: Sizes): Place {
  return placeAt(place.topPx, sizes);
}

export function isAtEnd({ topPx }: Place, { linesPx, viewPx }: Sizes): boolean {
  return topPx >= room(linesPx, viewPx) - ROW_PX;
}

/** Returns the visible lines and some around them: `from` (from 0) … `to` − 1. */
export function linesInSight(place: Place, sizes: Sizes, total: number, around = 30): { from: number; to: number } {
  return {
    from: Math.max(0, Math.floor((place.topPx - MARGIN_PX) / ROW_PX) - around),
    to: Math.min(total, Math.ceil((place.topPx - MARGIN_PX + sizes.viewPx) / ROW_PX) + around),
  };
}
