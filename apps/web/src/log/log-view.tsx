import type { LogResource } from '@millrace/contracts';
import {
  type FormEvent,
  type ReactNode,
  type RefObject,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react';
import { PUBLIC_PATH } from '../data/public-path';
import { LogLines, type Line as LogLine } from './log-lines';
import {
  isAtEnd,
  lineTopPx,
  linesInSight,
  type Place,
  placeAtEnd,
  placeOfLine,
  ROW_PX,
  scrolled,
  settled,
  type Sizes,
  sizesOf,
  START,
  within,
} from './scroll';

const EMBEDDED_PX = 480;

export interface LogViewProps {
  readonly log: LogResource;
  /** The line that a link points to, from 1. It is scrolled to and marked. */
  readonly linkedLine?: number | null;
  readonly onLinkLine?: (line: number) => void;
  /** Embedded below a step the view is only as high as it needs to be. */
  readonly embedded?: boolean;
}

/**
 * Shows a log of any length: only the visible lines are rendered. It opens at the end of the log, and follows it while the end is visible.
 */
export function LogView({ log, linkedLine = null, onLinkLine, embedded = false }: LogViewProps): ReactNode {
  const lines = useMemo(() => new LogLines(log.logid, log.type === 's'), [log.logid, log.type]);
  useSyncExternalStore(lines.subscribe, lines.getVersion);
  const total = log.num_lines;
  lines.setTotal(total);
  const [gone, setGone] = useState<number | null>(null);
  const marked = embedded ? gone : linkedLine;
  const { box, place, sizes, isFollowing, follow, goTo, onScroll, onScrollEnd } = useScrolling(total, linkedLine);
  const { from, to } = linesInSight(place, sizes, total);
  useEffect(() => lines.want(from, to), [lines, from, to, total]);
  useEffect(() => {
    // On a page of its own the log gets the keyboard focus at once, unless another element has it already.
    if (!embedded && document.activeElement === document.body) box.current?.focus({ preventScroll: true });
  }, [box, embedded]);
  const goToLine = (line: number): void => {
    goTo(line);
    if (embedded) setGone(line);
    else onLinkLine?.(line);
  };

  const gutter = `${String(total).length + 1}ch`;
  const offsetPx = place.scrollPx - place.topPx + lineTopPx(from);
  return (
    <div className={`log ${embedded ? 'embedded' : 'full'}`}>
      <div className="log-bar">
        <span className="muted small num">
          {total.toLocaleString()} {total === 1 ? 'line' : 'lines'}
          {log.complete ? '' : ', growing'}
        </span>
        {lines.problem && <span className="error">{lines.problem}</span>}
        <span className="grow" />
        {!isFollowing && (
          <button type="button" className="small" onClick={follow}>
            {log.complete ? 'To the end' : 'Follow'}
          </button>
        )}
        {isFollowing && !log.complete && <span className="small following">following</span>}
        <GoToLine total={total} onGo={goToLine} />
        <a
          className="small"
          href={`${PUBLIC_PATH}/api/v2/logs/${log.logid}/raw_inline`}
          target="_blank"
          rel="noreferrer"
        >
          Raw
        </a>
        <a className="small" href={`${PUBLIC_PATH}/api/v2/logs/${log.logid}/raw`}>
          Download
        </a>
      </div>
      <div
        ref={box}
        className="log-box"
        tabIndex={0}
        role="log"
        aria-label={`Log ${log.name}`}
        onScroll={onScroll}
        onScrollEnd={onScrollEnd}
        style={embedded ? { height: Math.min(sizesOf(Math.max(total, 1), 0).contentPx, EMBEDDED_PX) } : undefined}
      >
        <div style={{ height: sizes.contentPx, position: 'relative', overflowY: 'clip' }}>
          <div style={{ transform: `translateY(${offsetPx}px)` }}>
            {Array.from({ length: Math.max(0, to - from) }, (_, i) => (
              <Line
                key={from + i}
                number={from + i + 1}
                line={lines.line(from + i)}
                gutter={gutter}
                linked={marked === from + i + 1}
                onLink={onLinkLine}
              />
            ))}
          </div>
        </div>
      </div>
    </div>
  );
}

interface Scrolling {
  readonly box: RefObject<HTMLDivElement | null>;
  readonly place: Place;
  readonly sizes: Sizes;
  readonly isFollowing: boolean;
  readonly follow: () => void;
  readonly goTo: (line: number) => void;
  readonly onScroll: () => void;
  readonly onScrollEnd: () => void;
}

/** Keeps the scroll position of a log of `total` lines: at its end, as long as nobody scrolls away from it or a line is linked to. */
function useScrolling(total: number, linkedLine: number | null): Scrolling {
  const box = useRef<HTMLDivElement>(null);
  const [viewPx, setViewPx] = useState(400);
  const [isFollowing, setFollowing] = useState(linkedLine === null);
  // `isOurs`: the browser does not have this position yet. A position that came from the browser is not sent back, because the browser may
  // have scrolled on meanwhile.
  const [kept, setKept] = useState({ place: START, isOurs: false });
  const sizes = useMemo(() => sizesOf(total, viewPx), [total, viewPx]);
  const place = isFollowing ? placeAtEnd(sizes) : within(kept.place, sizes);
  // Events come faster than renders: they start from the position after the last event, not from that of the last render.
  const latest = useRef(place);
  useLayoutEffect(() => {
    latest.current = place;
  }, [kept, isFollowing, sizes]);

  useLayoutEffect(() => {
    const element = box.current!;
    const measure = (): void => setViewPx(element.clientHeight);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    if (isFollowing) box.current!.scrollTop = placeAtEnd(sizes).scrollPx;
  }, [isFollowing, sizes]);
  useLayoutEffect(() => {
    if (kept.isOurs) box.current!.scrollTop = kept.place.scrollPx;
  }, [kept]);

  const goTo = (line: number): void => {
    setFollowing(false);
    setKept({ place: placeOfLine(line, sizes), isOurs: true });
  };
  // When a growing log does not have the linked line yet, it is scrolled to once it exists.
  const target = linkedLine !== null && linkedLine <= total ? linkedLine : null;
  useLayoutEffect(() => {
    if (target === null) return;
    const isSeen = lineTopPx(target - 1) >= place.topPx && lineTopPx(target) <= place.topPx + viewPx;
    if (!isSeen) return goTo(target);
    setFollowing(false);
    setKept({ place, isOurs: false });
  }, [target]);

  return {
    box,
    place,
    sizes,
    isFollowing,
    goTo,
    follow: () => setFollowing(true),
    onScroll: () => {
      const { scrollTop } = box.current!;
      const next = scrolled(latest.current, scrollTop, sizes);
      latest.current = next;
      setKept({ place: next, isOurs: next.scrollPx !== scrollTop });
      setFollowing(isAtEnd(next, sizes));
    },
    onScrollEnd: () => {
      const next = settled(latest.current, sizes);
      // Browsers round scroll positions.
      if (isAtEnd(next, sizes) || Math.abs(next.scrollPx - latest.current.scrollPx) < 1) return;
      latest.current = next;
      setKept({ place: next, isOurs: true });
    },
  };
}

function GoToLine({ total, onGo }: { total: number; onGo: (line: number) => void }): ReactNode {
  const [text, setText] = useState('');
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const line = Number(text);
    if (text !== '' && Number.isSafeInteger(line)) onGo(Math.min(Math.max(1, line), total));
  };
  return (
    <form className="go-to" onSubmit={submit}>
      <label>
        <span className="sr">Go to line</span>
        <input
          type="text"
          inputMode="numeric"
          pattern="\d{1,12}"
          title="The number of a line"
          placeholder="Line"
          size={8}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </label>
    </form>
  );
}

interface LineProps {
  readonly number: number;
  readonly line: LogLine | undefined;
  readonly gutter: string;
  readonly linked: boolean;
  readonly onLink: ((line: number) => void) | undefined;
}

function Line({ number, line, gutter, linked, onLink }: LineProps): ReactNode {
  return (
    <div className={`line ${line?.stream ?? 'stdout'}${linked ? ' linked' : ''}`} style={{ height: ROW_PX }}>
      <a
        href={`#L${number}`}
        className="line-number"
        style={{ width: gutter }}
        tabIndex={-1}
        onClick={(event) => {
          if (!onLink) return;
          event.preventDefault();
          onLink(number);
        }}
      >
        {number}
      </a>
      <Text line={line} />
    </div>
  );
}

function Text({ line }: { line: LogLine | undefined }): ReactNode {
  if (!line) return <span />;
  if ('text' in line.painted) return <span>{line.painted.text}</span>;
  return <span dangerouslySetInnerHTML={{ __html: line.painted.html }} />;
}
