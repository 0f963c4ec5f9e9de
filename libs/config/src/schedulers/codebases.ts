import { NO_SOURCE, SOURCE_STAMP_LIMITS, secretInAddress, type SourceStamp } from '@millrace/domain';
import { ObjectReader, SHORT } from '../object-reader.js';

/** What is built of a codebase when no change says it. */
export interface CodebaseDefaults {
  readonly branch?: string | null;
  readonly revision?: string | null;
  readonly repository?: string;
  readonly project?: string;
}

/** Codebases of a scheduler: names, or names with what is built by default. */
export type CodebasesOption = readonly string[] | Readonly<Record<string, CodebaseDefaults>>;

/** Reads `codebases`: one source stamp each, by default. Returns null when there are none. */
export function compileCodebases(reader: ObjectReader): readonly SourceStamp[] | null {
  const given = reader.raw('codebases');
  if (given === undefined) return null;
  const stamps = Array.isArray(given) ? compileNames(reader) : compileDefaults(reader);
  const { maxCount } = SOURCE_STAMP_LIMITS;
  if (stamps.length === 0) reader.problem('codebases', 'at least one codebase');
  if (stamps.length > maxCount) reader.problem('codebases', `at most ${maxCount} codebases`);
  if (new Set(stamps.map(({ codebase }) => codebase)).size < stamps.length)
    reader.problem('codebases', 'each codebase once');
  return stamps;
}

function compileNames(reader: ObjectReader): SourceStamp[] {
  return reader.list('codebases', (item, path) => {
    if (typeof item === 'string' && SHORT.accepts(item)) return { ...NO_SOURCE, codebase: item };
    reader.into.add(path, item, 'the name of a codebase', reader.where);
    return NO_SOURCE;
  });
}

function compileDefaults(reader: ObjectReader): SourceStamp[] {
  const all = reader.inner('codebases');
  return all.keys().map((codebase) => {
    const one = new ObjectReader(all.raw(codebase), `${all.path}['${codebase}']`, reader.into, reader.where);
    if (!SHORT.accepts(codebase)) all.problem(codebase, `a codebase with ${SHORT.expected}`);
    const stamp: SourceStamp = {
      codebase,
      branch: one.optionalText('branch'),
      revision: one.optionalText('revision'),
      repository: one.text('repository', { default: '', accepts: () => true }),
      project: one.text('project', { default: '', accepts: () => true }),
    };
    const secret = secretInAddress(stamp.repository);
    if (secret !== null)
      one.into.add(
        one.at('repository'),
        undefined,
        'an address without it',
        one.where,
        `${one.at('repository')} holds ${secret}`,
      );
    one.done();
    return stamp;
  });
}

/** Returns the latest source stamp of each codebase: of its last change, or of `otherwise`. */
export function latestStamps(otherwise: readonly SourceStamp[], changes: readonly SourceStamp[]): SourceStamp[] {
  return otherwise.map((stamp) => {
    const last = changes.findLast(({ codebase }) => codebase === stamp.codebase);
    return last ? stampOf(last) : stamp;
  });
}

/** Returns the source stamp without anything else that the object has. */
export function stampOf({ branch, revision, repository, project, codebase }: SourceStamp): SourceStamp {
  return { branch, revision, repository, project, codebase };
}
