export const ROW_PX = 19;
const MARGIN_PX = 6;
/** Browsers stop laying out somewhere beyond 17 million; a higher log is scrolled to scale. */
const HIGHEST_PX = 15_000_000;
/** A scroll by more than so many views at once is a jump. */
const JUMP_VIEWS = 2;

/** How high things are. */
export interface Sizes {
  /** The lines. */
  readonly linesPx: number;
  /** What the browser scrolls, at most as high as the lines. */
  readonly contentPx: number;
  /** What is seen of it. */
  readonly viewPx: number;
}

/** Where a log is: how far the browser has scrolled, and what of the lines is at the top. The same, but for very long logs. */
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

/** Where the lines from `topPx` are at the top, with the browser's bar to scale. */
export function placeAt(topPx: number, { linesPx, contentPx, viewPx }: Sizes): Place {
  const [lines, content] = [room(linesPx, viewPx), room(contentPx, viewPx)];
  const top = Math.min(Math.max(0, topPx), lines);
  if (lines === content) return { scrollPx: top, topPx: top };
  // Beside the ends there is at least a view to scroll, or all that is left.
  const least = Math.min(top, viewPx);
  const most = content - Math.min(lines - top, viewPx);
  return { scrollPx: Math.min(Math.max((top / lines) * content, least), most), topPx: top };
}

export function placeAtEnd(sizes: Sizes): Place {
  return placeAt(Infinity, sizes);
}

/** Has `line` (from 1) in the upper third. */
export function placeOfLine(line: number, sizes: Sizes): Place {
  return placeAt(lineTopPx(line - 1) - sizes.viewPx / 3, sizes);
}

/** Where `index` (from 0) begins among the lines. */
export function lineTopPx(index: number): number {
  return MARGIN_PX + index * ROW_PX;
}

/**
 * Where a scroll to `scrollPx` leads. A short one (wheel, keys) moves the lines by as much, so that none is skipped however long the log is; a
 * long one (the bar, Home, End) goes to its share of them.
 */
export function scrolled(from: Place, scrollPx: number, sizes: Sizes): Place {
  const { linesPx, contentPx, viewPx } = sizes;
  const [lines, content] = [room(linesPx, viewPx), room(contentPx, viewPx)];
  if (lines === content) return { scrollPx, topPx: scrollPx };
  const byPx = scrollPx - from.scrollPx;
  if (Math.abs(byPx) > JUMP_VIEWS * viewPx) {
    // To an end is to the very end.
    const share = scrollPx >= content - 1 ? 1 : scrollPx / content;
    return { scrollPx, topPx: share * lines };
  }
  const topPx = Math.min(Math.max(0, from.topPx + byPx), lines);
  const isStuck = scrollPx < Math.min(topPx, viewPx) || content - scrollPx < Math.min(lines - topPx, viewPx);
  const isOver = (topPx === 0 && scrollPx > 0) || (topPx === lines && scrollPx < content);
  return isStuck || isOver ? placeAt(topPx, sizes) : { scrollPx, topPx };
}

/** The same, as far as there is as much: a log can get shorter, and a window higher. */
export function within(place: Place, sizes: Sizes): Place {
  const fits =
    place.topPx <= room(sizes.linesPx, sizes.viewPx) && place.scrollPx <= room(sizes.contentPx, sizes.viewPx);
  return fits ? place : placeAt(place.topPx, sizes);
}

/** The same lines, with the bar to scale again. */
export function settled(place: Place, sizes: Sizes): Place {
  return placeAt(place.topPx, sizes);
}

export function isAtEnd({ topPx }: Place, { linesPx, viewPx }: Sizes): boolean {
  return topPx >= room(linesPx, viewPx) - ROW_PX;
}

/** The lines in sight and some around them: `from` (from 0) … `to` − 1. */
export function linesInSight(place: Place, sizes: Sizes, total: number, around = 30): { from: number; to: number } {
  return {
    from: Math.max(0, Math.floor((place.topPx - MARGIN_PX) / ROW_PX) - around),
    to: Math.min(total, Math.ceil((place.topPx - MARGIN_PX + sizes.viewPx) / ROW_PX) + around),
  };
}
