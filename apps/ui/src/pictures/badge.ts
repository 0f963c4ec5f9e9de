import { Result, resultName } from '@millrace/domain';
import { makeBadge } from 'badge-maker';

const STYLES = ['flat', 'flat-square', 'plastic', 'for-the-badge', 'social'] as const;
const MAX_TEXT = 60;

/** What a badge is asked to look like, with the parameters of Buildbot's plugin. */
export interface BadgeRequest {
  /** Null for builds of any branch. */
  readonly branch: string | null;
  readonly style: (typeof STYLES)[number];
  readonly leftText: string;
  readonly leftColor: string;
  /** Null for that of the result. */
  readonly rightText: string | null;
  readonly rightColor: string | null;
}

const COLORS: Readonly<Record<Result, string>> = {
  [Result.SUCCESS]: '#4c1',
  [Result.WARNINGS]: '#dfb317',
  [Result.FAILURE]: '#e05d44',
  [Result.SKIPPED]: '#a4a61d',
  [Result.EXCEPTION]: '#007ec6',
  [Result.RETRY]: '#007ec6',
  [Result.CANCELLED]: '#007ec6',
};
const UNKNOWN = '#9f9f9f';

/** Reads the query of a badge. What cannot be read is as if it were not there. */
export function badgeRequest(params: URLSearchParams): BadgeRequest {
  const text = (name: string): string | null => params.get(name)?.slice(0, MAX_TEXT) ?? null;
  const color = (name: string): string | null => {
    const value = params.get(name) ?? '';
    return /^(#?[\da-f]{3}|#?[\da-f]{6}|[a-z]{1,20})$/i.test(value) ? value : null;
  };
  return {
    branch: params.get('branch')?.slice(0, 1000) ?? null,
    style: STYLES.find((style) => style === params.get('style')) ?? 'flat',
    leftText: text('left_text') ?? 'Build Status',
    leftColor: color('left_color') ?? '#555',
    rightText: text('right_text'),
    rightColor: color('right_color'),
  };
}

/** Draws the badge of a result; null when there is no build yet. */
export function badgeOf(request: BadgeRequest, results: Result | null): string {
  return makeBadge({
    label: request.leftText,
    labelColor: request.leftColor,
    message: request.rightText ?? (results === null ? 'unknown' : resultName(results)),
    color: request.rightColor ?? (results === null ? UNKNOWN : COLORS[results]),
    style: request.style,
  });
}
