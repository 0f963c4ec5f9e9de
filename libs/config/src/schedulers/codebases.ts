import { NO_SOURCE, SOURCE_STAMP_LIMITS, secretInAddress, type SourceStamp } from '@millrace/domain';
import { ObjectReader } from '../object-reader.js';

/** A name that a scheduler can remember something by. */
const NAME = {
  accepts: (text: string) => text.length <= 180,
  expected: 'the name of a codebase, of at most 180 characters',
};

/** What is built of a codebase when no change says it. */
export interface CodebaseDefaults {
  readonly branch?: string | null;
  readonly revision?: string | null;
  readonly repository?: string;
  readonly project?: string;
}

/** Codebases of a scheduler: names, or names with what is built by default. */
export type CodebasesOption = readonly string[] | Readonly<Record<string, CodebaseDefaults>>;

export interface CodebasesOptions {
  /** The codebases of which a buildset has a source stamp each. */
  readonly codebases?: CodebasesOption;
  /** Build the last known revision of codebases that have not changed, instead of what is built by default. Default false. */
  readonly createAbsoluteSourceStamps?: boolean;
}

/** Codebases of a compiled scheduler. */
export interface Codebases {
  /** What is built of each codebase by default; null when a buildset is of the one codebase that changed. */
  readonly codebases: readonly SourceStamp[] | null;
  /** Whether the last known source stamp of a codebase counts more than the default. */
  readonly isAbsolute: boolean;
}

export function compileCodebases(reader: ObjectReader): Codebases {
  const codebases = readCodebases(reader);
  const isAbsolute = reader.boolean('createAbsoluteSourceStamps', false);
  if (isAbsolute && !codebases)
    reader.problem('createAbsoluteSourceStamps', 'codebases beside it: they are what the last revisions are known of');
  return { codebases, isAbsolute };
}

/** Whether changes of a codebase concern the scheduler. */
export function hasCodebase({ codebases }: Codebases, codebase: string): boolean {
  return codebases?.some((stamp) => stamp.codebase === codebase) ?? true;
}

function readCodebases(reader: ObjectReader): readonly SourceStamp[] | null {
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
    if (typeof item === 'string' && NAME.accepts(item)) return { ...NO_SOURCE, codebase: item };
    reader.into.add(path, item, NAME.expected, reader.where);
    return NO_SOURCE;
  });
}

function compileDefaults(reader: ObjectReader): SourceStamp[] {
  const all = reader.inner('codebases');
  return all.keys().map((codebase) => {
    const one = new ObjectReader(all.raw(codebase), `${all.path}['${codebase}']`, reader.into, reader.where);
    if (!NAME.accepts(codebase)) all.problem(codebase, `${NAME.expected}`);
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
        `${one.at('repository')} holds ${secret}; expected an address without it`,
      );
    one.done();
    return stamp;
  });
}

/** Returns the source stamp of each codebase: that of its last change, else the last known one, else the default. */
export function latestStamps(
  defaults: readonly SourceStamp[],
  known: readonly SourceStamp[],
  changes: readonly SourceStamp[],
): SourceStamp[] {
  return defaults.map((stamp) => {
    const isOf = ({ codebase }: SourceStamp): boolean => codebase === stamp.codebase;
    const last = changes.findLast(isOf) ?? known.find(isOf);
    return last ? stampOf(last) : stamp;
  });
}

/** Returns the source stamp without anything else that the object has. */
export function stampOf({ branch, revision, repository, project, codebase }: SourceStamp): SourceStamp {
  return { branch, revision, repository, project, codebase };
}
