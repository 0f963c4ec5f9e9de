import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const ROOT = join(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const tracked = (...patterns: string[]): string[] =>
  spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--', ...patterns], {
    cwd: ROOT,
    encoding: 'utf8',
  })
    .stdout.split('\n')
    .filter((file) => file !== '' && existsSync(join(ROOT, file)));

/** Returns the anchors of a Markdown file's headings, as forges make them. */
function anchorsOf(markdown: string): Set<string> {
  const headings = [...markdown.matchAll(/^#{1,6} (.*)$/gm)].map(([, text]) => text!);
  return new Set(
    headings.map((text) =>
      text
        .toLowerCase()
        .replace(/[^\p{L}\p{N}_\- ]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** Returns what is wrong with a citation of `target` (`path#anchor`, from the root of the repository); null when it is right. */
function fault(target: string): string | null {
  const [path = '', anchor] = target.split('#');
  if (!existsSync(join(ROOT, path))) return `there is no ${path}`;
  if (anchor === undefined || !path.endsWith('.md')) return null;
  return anchorsOf(read(path)).has(anchor) ? null : `${path} has no #${anchor}`;
}

const sources = tracked('*.ts', '*.tsx', '*.mjs', '*.js');
const documents = tracked('*.md');

describe('citations', () => {
  it('exist: of comments', () => {
    const citations = sources.flatMap((file) =>
      [...read(file).matchAll(/`(docs\/[\w/.-]+\.md(?:#[\w-]+)?)`/g)].map(([, target]) => ({ file, target: target! })),
    );
    expect(citations.length).toBeGreaterThan(30);
    expect(citations.filter(({ target }) => fault(target) !== null)).toEqual([]);
  });

  it('exist: of documents', () => {
    const links = documents.flatMap((file) =>
      [...read(file).matchAll(/\]\(([^()\s]+)\)/g)]
        .map(([, link]) => link!)
        .filter((link) => !/^[a-z]+:/.test(link))
        .map((link) => ({ file, target: link.startsWith('#') ? file + link : normalize(join(dirname(file), link)) })),
    );
    expect(links.length).toBeGreaterThan(50);
    expect(links.filter(({ target }) => fault(target) !== null)).toEqual([]);
  });

  it('stay within this repository', () => {
    const outside = /`?specs\/[\w-]+\.md|\bdesign §|[ (]§\d/;
    const cite = [...sources, ...documents].filter((file) => outside.test(read(file)));
    expect(cite.filter((file) => file !== 'scripts/citations.spec.ts')).toEqual([]);
  });

  it('are reported when they do not exist', () => {
    expect(fault('docs/nothing.md')).toBe('there is no docs/nothing.md');
    expect(fault('docs/api.md#nothing')).toBe('docs/api.md has no #nothing');
    expect(fault('docs/api.md#force-forms')).toBeNull();
    expect(fault('docs/operators.md#workers-ports-tls-balancers-limits')).toBeNull();
  });
});
