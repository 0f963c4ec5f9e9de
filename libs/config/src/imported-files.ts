import { access } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';

type Import = (specifier: string, ...rest: readonly unknown[]) => Promise<unknown>;

/** What the code of the user's files imports to find other files of theirs. */
export interface ImportedFilesModule {
  /** Returns the `jitiImport` of a module in that folder. */
  importFrom(folder: string, own: Import): Import;
}

/** The name of that module. */
export const IMPORTED_FILES = 'millrace:imported-files';

const EXTENSIONS = ['.ts', '.mts', '.cts', '.tsx', '.js', '.mjs', '.cjs', '.jsx'];
/** Files that the compiler would leave to Node, which would neither tell us what it has read nor take it from us. */
const OF_NODE = /\.([cm]?js|json)$/;
const STRICT = '"use strict";';

/** Returns those of the files that are not there any more. */
export async function deletedOf(names: readonly string[]): Promise<ReadonlySet<string>> {
  const isThere = await Promise.all(names.map(exists));
  return new Set(names.filter((_, i) => !isThere[i]));
}

/** Returns the deleted file that a module in this folder means; null when it means none. */
export function deletedFileAt(specifier: string, folder: string, deleted: ReadonlySet<string>): string | null {
  if (!isPath(specifier)) return null;
  const at = resolve(folder, specifier);
  const meant = [
    at,
    at.replace(/\.([cm]?)js(x?)$/, '.$1ts$2'),
    ...EXTENSIONS.flatMap((extension) => [at + extension, join(at, `index${extension}`)]),
  ];
  return meant.find((name) => extname(name) !== '' && deleted.has(name)) ?? null;
}

/**
 * Returns a module that loads files which the compiler does not find, or would leave to Node.
 * @param load loads a file
 */
export function importedFiles(
  deleted: ReadonlySet<string>,
  load: (name: string) => Promise<unknown>,
): ImportedFilesModule {
  return {
    importFrom:
      (folder, own) =>
      async (specifier, ...rest) => {
        const name = deletedFileAt(specifier, folder, deleted);
        if (name !== null) return load(name);
        const at = resolve(folder, specifier);
        const isOurs = isPath(specifier) && OF_NODE.test(at) && !at.includes('node_modules') && (await exists(at));
        return isOurs ? load(at) : own(specifier, ...rest);
      },
  };
}

/** Returns compiled code that imports by our module. The compiler's code imports by a parameter of its module, which is replaced. */
export function importingFiles(code: string): string {
  const redirect = `jitiImport = (await jitiImport('${IMPORTED_FILES}')).importFrom(__dirname, jitiImport);`;
  return code.startsWith(STRICT) ? STRICT + redirect + code.slice(STRICT.length) : redirect + code;
}

function isPath(specifier: string): boolean {
  return /^\.{0,2}\//.test(specifier);
}

async function exists(name: string): Promise<boolean> {
  try {
    await access(name);
    return true;
  } catch {
    return false; // Whoever needs the file says why it cannot be read.
  }
}
