import { access } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';

type Import = (specifier: string, ...rest: readonly unknown[]) => Promise<unknown>;

/** What the code of the user's files imports where it has to find files that are gone. */
export interface DeletedFilesModule {
  /** Returns the `jitiImport` of a module in that folder. */
  importFrom(folder: string, own: Import): Import;
}

/** The name of that module. */
export const DELETED_FILES = 'millrace:deleted-files';

const EXTENSIONS = ['.ts', '.mts', '.cts', '.tsx', '.js', '.mjs', '.cjs', '.jsx'];
const STRICT = '"use strict";';

/** Returns those of the files that are not there any more. */
export async function deletedOf(names: readonly string[]): Promise<ReadonlySet<string>> {
  const isThere = await Promise.all(
    names.map((name) =>
      access(name).then(
        () => true,
        () => false,
      ),
    ),
  );
  return new Set(names.filter((_, i) => !isThere[i]));
}

/** Returns the deleted file that a module in this folder means; null when it means none. */
export function deletedFileAt(specifier: string, folder: string, deleted: ReadonlySet<string>): string | null {
  if (!/^\.{0,2}\//.test(specifier)) return null;
  const at = resolve(folder, specifier);
  const meant = [
    at,
    at.replace(/\.([cm]?)js(x?)$/, '.$1ts$2'),
    ...EXTENSIONS.flatMap((extension) => [at + extension, join(at, `index${extension}`)]),
  ];
  return meant.find((name) => extname(name) !== '' && deleted.has(name)) ?? null;
}

/** @param load loads a deleted file */
export function deletedFilesModule(
  deleted: ReadonlySet<string>,
  load: (name: string) => Promise<unknown>,
): DeletedFilesModule {
  return {
    importFrom:
      (folder, own) =>
      (specifier, ...rest) => {
        const name = deletedFileAt(specifier, folder, deleted);
        return name === null ? own(specifier, ...rest) : load(name);
      },
  };
}

/** Returns compiled code that finds deleted files. The compiler's code imports by a parameter of its module, which is replaced. */
export function findingDeletedFiles(code: string): string {
  const redirect = `jitiImport = (await jitiImport('${DELETED_FILES}')).importFrom(__dirname, jitiImport);`;
  return code.startsWith(STRICT) ? STRICT + redirect + code.slice(STRICT.length) : redirect + code;
}
