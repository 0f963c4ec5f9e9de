import { ANSWER_WITHIN_MS, rounded } from './stats.js';

/** One measured number. */
export interface Figure {
  /** What was measured. Figures of the same name are compared across systems. */
  readonly name: string;
  readonly unit: string;
  readonly better: 'less' | 'more';
  /** Words where there is no number. */
  readonly value: number | string;
}

/** Returns what a figure says about a latency; Infinity is none. */
export function answered(ms: number): Figure['value'] {
  return ms === Infinity ? `no answer in ${ANSWER_WITHIN_MS / 1000} s` : ms;
}

export interface SystemFigures {
  readonly system: string;
  readonly figures: Figure[];
  /** Where the time went, and other remarks. */
  readonly notes: string[];
}

/**
 * Formats one row per figure and one column per system. The first system named `peer` is what the others are compared to: `12 (×5.1)` is
 * 5.1 times as good.
 */
export function table(results: readonly SystemFigures[], peer: string | null): string {
  const names = [...new Set(results.flatMap((result) => result.figures.map((figure) => figure.name)))];
  const find = (system: string, name: string): Figure | undefined =>
    results.find((result) => result.system === system)?.figures.find((figure) => figure.name === name);
  const rows = names.map((name) => {
    const reference = peer === null ? undefined : find(peer, name);
    const { unit } = results.flatMap((result) => result.figures).find((figure) => figure.name === name)!;
    return [
      `${name} (${unit})`,
      ...results.map(({ system }) => {
        const figure = find(system, name);
        if (!figure) return '–';
        const value = plain(figure.value);
        if (!reference || system === peer || typeof reference.value === 'string' || typeof figure.value === 'string')
          return value;
        const ratio = figure.better === 'less' ? reference.value / figure.value : figure.value / reference.value;
        return ratio > 0 && ratio < Infinity ? `${value} (×${plain(ratio)})` : value;
      }),
    ];
  });
  const all = [['', ...results.map((result) => result.system)], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(3, ...all.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string => `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`;
  return [line(all[0]!), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

export function plain(value: Figure['value']): string {
  if (typeof value === 'string') return value;
  return value >= 1000 ? String(Math.round(value)) : String(rounded(value));
}
