import type { LogResource } from '@millrace/contracts';
import { AnsiUp } from 'ansi_up';
import {
  type ReactNode,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react';
import { LogLines } from './log-lines';

const ROW_PX = 19;
const OVERSCAN = 30;
/** Browsers stop laying out somewhere beyond this; longer logs are shown in parts. */
const MAX_ROWS = 800_000;
/** What is shown of a longer line; the raw log has all of it. */
const LINE_SHOWN = 10_000;

export interface LogViewProps {
  readonly log: LogResource;
  /** The line that a link points to, from 1; it is scrolled to and marked. */
  readonly linkedLine?: number | null;
  readonly onLinkLine?: (line: number) => void;
  /** Embedded below a step it is only as high as it needs to be. */
  readonly embedded?: boolean;
}

const STREAMS: Readonly<Record<string, string>> = { e: 'stderr', h: 'header', i: 'input', o: 'stdout' };

/** A log of any length: only the lines in sight exist. Follows the end while the end is in sight. */
export function LogView({ log, linkedLine = null, onLinkLine, embedded = false }: LogViewProps): ReactNode {
  const lines = useMemo(() => new LogLines(log.logid), [log.logid]);
  useSyncExternalStore(lines.subscribe, lines.getVersion);
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(400);
  const [follow, setFollow] = useState(linkedLine === null);
  const total = Math.min(log.num_lines, MAX_ROWS);
  lines.setTotal(total);

  const first = Math.max(0, Math.floor(top / ROW_PX) - OVERSCAN);
  const last = Math.min(total, Math.ceil((top + height) / ROW_PX) + OVERSCAN);
  useEffect(() => lines.want(first, last), [lines, first, last, total]);

  useLayoutEffect(() => {
    const element = box.current!;
    const observer = new ResizeObserver(() => setHeight(element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    if (linkedLine !== null && box.current)
      box.current.scrollTop = Math.max(0, (linkedLine - 1) * ROW_PX - box.current.clientHeight / 3);
  }, [linkedLine]);
  useLayoutEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [follow, total, height]);

  const onScroll = useCallback(() => {
    const element = box.current!;
    setTop(element.scrollTop);
    setFollow(element.scrollTop + element.clientHeight >= element.scrollHeight - ROW_PX);
  }, []);

  const gutter = `${String(total).length + 1}ch`;
  return (
    <div className={`log ${embedded ? 'embedded' : 'full'}`}>
      <div className="log-bar">
        <span className="muted small num">
          {log.num_lines.toLocaleString()} {log.num_lines === 1 ? 'line' : 'lines'}
          {log.complete ? '' : ', growing'}
        </span>
        {lines.problem && <span className="error">{lines.problem}</span>}
        <span className="grow" />
        {!follow && (
          <button type="button" className="small" onClick={() => setFollow(true)}>
            {log.complete ? 'To the end' : 'Follow'}
          </button>
        )}
        {follow && !log.complete && <span className="small following">following</span>}
        <a className="small" href={`/api/v2/logs/${log.logid}/raw_inline`} target="_blank" rel="noreferrer">
          Raw
        </a>
        <a className="small" href={`/api/v2/logs/${log.logid}/raw`}>
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
        style={embedded ? { height: Math.min(Math.max(total, 1) * ROW_PX + 18, 480) } : undefined}
      >
        <div style={{ height: total * ROW_PX, position: 'relative' }}>
          <div style={{ transform: `translateY(${first * ROW_PX}px)` }}>
            {Array.from({ length: Math.max(0, last - first) }, (_, i) => (
              <Line
                key={first + i}
                number={first + i + 1}
                text={lines.line(first + i)}
                letters={log.type === 's'}
                gutter={gutter}
                linked={linkedLine === first + i + 1}
                onLink={onLinkLine}
              />
            ))}
          </div>
        </div>
      </div>
      {log.num_lines > MAX_ROWS && (
        <p className="notice">
          Only the first {MAX_ROWS.toLocaleString()} lines are shown; the raw log has all{' '}
          {log.num_lines.toLocaleString()}.
        </p>
      )}
    </div>
  );
}

interface LineProps {
  readonly number: number;
  readonly text: string | undefined;
  /** Whether the line begins with the letter of its stream. */
  readonly letters: boolean;
  readonly gutter: string;
  readonly linked: boolean;
  readonly onLink: ((line: number) => void) | undefined;
}

function Line({ number, text, letters, gutter, linked, onLink }: LineProps): ReactNode {
  const stream = letters && text !== undefined ? (STREAMS[text[0] ?? ''] ?? 'stdout') : 'stdout';
  return (
    <div className={`line ${stream}${linked ? ' linked' : ''}`} style={{ height: ROW_PX }}>
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
      <Text text={text === undefined ? '' : letters ? text.slice(1) : text} />
    </div>
  );
}

function Text({ text: whole }: { text: string }): ReactNode {
  // What a progress bar wrote over is gone, as on a terminal.
  const text = whole.replace(/\r+$/, '').replace(/^.*\r/s, '');
  const shown =
    text.length > LINE_SHOWN ? `${text.slice(0, LINE_SHOWN)}… (${text.length.toLocaleString()} characters)` : text;
  const html = useMemo(() => (shown.includes('\u001b') ? ansiHtml(shown) : null), [shown]);
  return html === null ? <span>{shown}</span> : <span dangerouslySetInnerHTML={{ __html: html }} />;
}

/** Everything but colours is escaped; colours become classes, so that both themes have their own. */
function ansiHtml(text: string): string {
  const ansi = new AnsiUp();
  ansi.use_classes = true;
  ansi.escape_html = true;
  ansi.url_allowlist = {};
  return ansi.ansi_to_html(text);
}
