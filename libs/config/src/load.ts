import { createHash } from 'node:crypto';
import { access, readFile } from 'node:fs/promises';
import { dirname, relative, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { messageOf, UserError } from '@millrace/domain';
import { createJiti, type ModuleCache } from 'jiti';
import { compileConfig, type CompileOptions, type CompileResult } from './compile.js';
import { deletedOf, IMPORTED_FILES, importedFiles, importingFiles } from './imported-files.js';
import { locationIn } from './location.js';
import { ConfigError } from './problems.js';

/** One of the user's files as it was loaded. */
export interface LoadedFile {
  /** JavaScript. */
  readonly code: string;
  /** Of the source, hexadecimal. */
  readonly sha256: string;
}

/**
 * The user's files at the time when they were loaded, by absolute path. Loading with a snapshot gives the same configuration again although
 * the files have changed since, or are gone but for the configuration file, and needs no compiler.
 */
export type ConfigSnapshot = Readonly<Record<string, LoadedFile>>;

export interface LoadedConfig {
  readonly file: string;
  /** The default export, unchecked. */
  readonly user: unknown;
  readonly snapshot: ConfigSnapshot;
  /** sha256 of each source by its path relative to the configuration file. */
  readonly sources: Readonly<Record<string, string>>;
}

/**
 * A variable, so that TypeScript does not resolve the import: steps depend on this package, not the other way round. A configuration may
 * import both.
 */
const STEPS: string = '@millrace/steps';

/**
 * Loads a user's configuration file (TypeScript or JavaScript) into this thread, anew each time. `@millrace/config`, `@millrace/steps` and
 * `@millrace/domain` resolve to those of this installation, wherever the file lies.
 *
 * @throws ConfigError `bad-config` when the file cannot be read, parsed or run, or exports nothing
 */
export async function loadConfig(file: string, snapshot: ConfigSnapshot = {}): Promise<LoadedConfig> {
  const path = resolve(file);
  await access(path).catch((error: unknown) => {
    const message = `${path} cannot be read: ${messageOf(error)}`;
    throw new ConfigError([{ path: '', value: path, expected: 'a configuration file', message, file: path }]);
  });
  const files: Record<string, LoadedFile> = {};
  const deleted = await deletedOf(Object.keys(snapshot));
  const compiler = createJiti(pathToFileURL(path).href, { fsCache: false, moduleCache: false });
  const jiti = createJiti(pathToFileURL(path).href, {
    fsCache: false,
    moduleCache: false,
    virtualModules: {
      '@millrace/config': await import('./for-configurations.js'),
      '@millrace/steps': await importSteps(),
      '@millrace/domain': await import('@millrace/domain'),
      [IMPORTED_FILES]: importedFiles(deleted, (name) => load(name)),
    },
    transform: (options) => {
      const name = options.filename ?? path;
      files[name] = snapshot[name] ?? {
        code: name.endsWith('.json') ? jsonModule(name, options.source) : compiler.transform(options),
        sha256: createHash('sha256').update(options.source).digest('hex'),
      };
      const { code } = files[name];
      return { code: options.async ? importingFiles(code) : code };
    },
  });
  // One cache: who imports each other has the same modules.
  const cache: ModuleCache = {};
  const load = async (name: string): Promise<unknown> => {
    const source = deleted.has(name) ? '' : await readFile(name, 'utf8');
    return (
      cache[name]?.exports ?? jiti.evalModule(source, { filename: name, async: true, forceTranspile: true, cache })
    );
  };
  let module: unknown;
  try {
    module = await load(path);
  } catch (error) {
    throw error instanceof ConfigError ? error : new ConfigError([problemFrom(error, path, files)]);
  }
  const user = typeof module === 'object' && module !== null && 'default' in module ? module.default : undefined;
  if (user === undefined) {
    const message = `${path} has no default export; end it with: export default defineConfig({ … })`;
    throw new ConfigError([{ path: '', expected: 'a default export', message, file: path }]);
  }
  // The default export may be a promise.
  const awaited = await Promise.resolve(user);
  const sources = Object.fromEntries(
    Object.entries(files).map(([name, { sha256 }]) => [portableName(path, name), sha256]),
  );
  return { file: path, user: awaited, snapshot: files, sources };
}

/** Loads and compiles a configuration. A master starts with the result, and `check-config` checks it. */
export async function loadAndCompile(
  file: string,
  options: CompileOptions = {},
): Promise<CompileResult & LoadedConfig> {
  const loaded = await loadConfig(file);
  return { ...loaded, ...compileConfig(loaded.user, { file: loaded.file, sources: loaded.sources, ...options }) };
}

/** @throws UserError `bad-json` */
function jsonModule(name: string, source: string): string {
  try {
    return `module.exports = ${JSON.stringify(JSON.parse(source))};`;
  } catch (cause) {
    throw new UserError('bad-json', `${name} is no JSON: ${messageOf(cause)}`, { file: name }, { cause });
  }
}

/** Imports the steps package. It is missing only while the packages themselves are being built one by one. */
async function importSteps(): Promise<unknown> {
  return await import(STEPS);
}

/** Returns a file's name for the fingerprint and for keeping. Masters that keep the same configuration in different folders get the same one. */
export function portableName(configFile: string, name: string): string {
  return relative(dirname(configFile), name).split(sep).join('/');
}

function problemFrom(error: unknown, file: string, loaded: ConfigSnapshot) {
  const text = messageOf(error);
  const syntax = /^(.*?)(?:\s*\((\d+):(\d+)\))?(?:\n|$)/s.exec(text);
  const parsedAt = /(?:^|\s)([^\s:]+\.[cm]?[jt]sx?):(\d+):(\d+)/.exec(text);
  const thrownAt = locationIn(error instanceof Error ? error.stack : undefined, (name) => name in loaded);
  const place = thrownAt ?? (parsedAt ? { file: parsedAt[1]!, line: Number(parsedAt[2]) } : undefined);
  const line = place?.line ?? (syntax?.[2] === undefined ? undefined : Number(syntax[2]));
  const message = `loading failed: ${text.split('\n')[0]!}`;
  return {
    path: '',
    expected: 'a file that runs',
    message,
    file: place?.file ?? file,
    ...(line !== undefined && { line }),
  };
}
