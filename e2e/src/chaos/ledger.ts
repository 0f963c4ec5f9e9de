import { existsSync, readFileSync } from 'node:fs';

/** A line that a command of a build wrote when it began. Times are milliseconds since 1970 on this machine's clock. */
export interface LedgerLine {
  readonly what: string;
  readonly builder: string;
  readonly number: number;
  readonly requestId: number;
  readonly attempt: number;
  readonly worker: string;
  readonly revision: string;
  readonly atMs: number;
}

/** One attempt of a request, according to what its commands wrote. */
export interface Attempt extends Omit<LedgerLine, 'what' | 'atMs'> {
  readonly lines: readonly LedgerLine[];
  readonly begunMs: number;
  readonly lastMs: number;
  /** True when its last step ran. */
  readonly ended: boolean;
}

/** Returns the script that appends to `ledger`. A line is one write to a file that is open for appending, so lines never mix. */
export function ledgerScript(ledger: string): string {
  return `#!/bin/sh\nprintf '%s %s\\n' "$*" "$(date +%s%3N)" >> '${ledger}'\n`;
}

/**
 * Parses a ledger.
 * @throws Error on a malformed line: the ledger itself is then unreliable
 */
export function parseLedger(text: string): LedgerLine[] {
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  return whole
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const match = /^(begin|middle|end) (\S+) (\d+) (\d+) (\d+) (\S+) ([0-9a-f]{40}) (\d+)$/.exec(line);
      if (!match) throw new Error(`not a line of a ledger: '${line}'`);
      const [, what, builder, number, requestId, attempt, worker, revision, atMs] = match;
      return {
        what: what!,
        builder: builder!,
        number: Number(number),
        requestId: Number(requestId),
        attempt: Number(attempt),
        worker: worker!,
        revision: revision!,
        atMs: Number(atMs),
      };
    });
}

export function readLedger(file: string): LedgerLine[] {
  return existsSync(file) ? parseLedger(readFileSync(file, 'utf8')) : [];
}

/** Groups attempts by request, in their order. */
export function attemptsByRequest(lines: readonly LedgerLine[]): Map<number, Attempt[]> {
  const byAttempt = new Map<string, LedgerLine[]>();
  for (const line of lines) {
    const key = `${line.requestId}/${line.attempt}`;
    byAttempt.set(key, [...(byAttempt.get(key) ?? []), line]);
  }
  const requests = new Map<number, Attempt[]>();
  for (const written of byAttempt.values()) {
    const times = written.map((line) => line.atMs);
    const { what: _what, atMs: _atMs, ...identity } = written[0]!;
    const attempt: Attempt = {
      ...identity,
      lines: written,
      begunMs: Math.min(...times),
      lastMs: Math.max(...times),
      ended: written.some((line) => line.what === 'end'),
    };
    requests.set(identity.requestId, [...(requests.get(identity.requestId) ?? []), attempt]);
  }
  for (const attempts of requests.values()) attempts.sort((a, b) => a.attempt - b.attempt);
  return requests;
}
