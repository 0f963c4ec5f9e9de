import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FIXTURES } from '../stacks.js';

/** One recorded request and what matters of its answer. Words in braces in `path` and `headers` stand for ids and addresses here. */
export interface Sample {
  readonly name: string;
  /** Default: GET. */
  readonly method?: string;
  readonly path: string;
  /** Beside the usual `accept` and, with a body, `content-type`: both JSON. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly status: number;
  readonly type?: string;
  /** Members of the answered object. */
  readonly keys?: readonly string[];
  /** Members of its `meta`. */
  readonly meta?: readonly string[];
  /** Fields of its rows, when fields were selected. */
  readonly fields?: readonly string[];
  /** Whether it had rows. */
  readonly some?: boolean;
  /** JSON-RPC: the code of the error. */
  readonly rpc?: number;
  /** JSON-RPC: the type of the result. */
  readonly result?: string;
}

/** What was recorded of Buildbot 4.3. */
export interface Recording {
  /** Types that each field had, by resource and field; `a.b` is in an object, `a[].b` in a list. */
  readonly fields: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly samples: readonly Sample[];
  /** Paths of `application.spec`. */
  readonly paths: readonly string[];
  /** Addresses that Buildbot's web frontend reads. */
  readonly frontend: readonly string[];
  /** Topics of events, with `N` for numbers and `SLUG` for logs. */
  readonly topics: readonly string[];
}

export function readRecording(): Recording {
  return JSON.parse(readFileSync(join(FIXTURES, 'conformance.json'), 'utf8')) as Recording;
}

/** Returns what `docs/compatibility.md` lists under a heading: the names in the first column of its table. */
export function listed(heading: string): Set<string> {
  const text = readFileSync(join(FIXTURES, '../../docs/compatibility.md'), 'utf8');
  const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`docs/compatibility.md has no section '${heading}'`);
  const cells = [...section.matchAll(/^\| (`.*?) \|/gm)].map((row) => row[1]!);
  return new Set(cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map((name) => name[1]!)));
}

/** Compares what differs with what is listed, so that neither a new difference nor a mended one is overlooked. */
export function verdict(
  differences: ReadonlyMap<string, string>,
  known: ReadonlySet<string>,
): { notListed: string[]; notDifferent: string[] } {
  return {
    notListed: [...differences].flatMap(([name, what]) => (known.has(name) ? [] : [`${name}: ${what}`])),
    notDifferent: [...known].filter((name) => !differences.has(name)),
  };
}
