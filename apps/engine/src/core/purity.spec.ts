import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../../..');

/** Allowed imports of pure code, each with its reason. */
const ALLOWED = [
  /^\.\.?\//, // The code's own files.
  /^@millrace\/(domain|contracts)$/, // Shared types and pure functions.
  /^node:(crypto|util|path|buffer)$/, // Modules that only compute.
  /^re2js$/, // Expressions in linear time; only computes.
];

function sourcesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.spec.ts'))
    .map((name) => join(folder, name));
}

function foldersToCheck(): string[] {
  const cores = readdirSync(join(root, 'apps')).map((app) => join(root, 'apps', app, 'src/core'));
  return [join(root, 'libs/domain/src'), ...cores];
}

function importsOf(source: string): string[] {
  const patterns = [
    /\bfrom\s+'([^']+)'/g,
    /\bimport\s+'([^']+)'/g,
    /\bimport\(\s*'([^']+)'/g,
    /\brequire\(\s*'([^']+)'/g,
  ];
  return patterns.flatMap((pattern) => [...source.matchAll(pattern)].map((match) => match[1]!));
}

describe('libs/domain and every core/ folder', () => {
  const exists = (folder: string) => {
    try {
      return sourcesIn(folder).length > 0;
    } catch {
      return false; // An app without decisions of its own has no core/.
    }
  };
  const files = foldersToCheck().filter(exists).flatMap(sourcesIn);

  it('are all found', () => {
    const names = files.map((file) => relative(root, file));
    expect(names).toContain('libs/domain/src/results.ts');
    expect(names).toContain('apps/engine/src/core/step-sequence.ts');
  });

  it('import nothing that does I/O', () => {
    const impure = files.flatMap((file) =>
      importsOf(readFileSync(file, 'utf8'))
        .filter((name) => !ALLOWED.some((allowed) => allowed.test(name)))
        .map((name) => `${relative(root, file)}: ${name}`),
    );
    expect(impure).toEqual([]);
  });

  it('read no environment and no console', () => {
    const reading = files.filter((file) => /\b(process\.(env|argv|exit)|console\.)/.test(readFileSync(file, 'utf8')));
    expect(reading.map((file) => relative(root, file))).toEqual([]);
  });
});
