import type { CompiledScheduler } from '@millrace/contracts';
import { NO_SOURCE, secretInAddress, SOURCE_STAMP_LIMITS, type SourceStamp } from '@millrace/domain';
import { type ObjectReader, SHORT } from '../object-reader.js';
import { answerCall } from './call.js';
import type { Call, PlannedBuildset } from './kind.js';

export interface CallDefaultsOptions {
  /** Values for codebases of which a call gives no source stamp, or only a part of one. */
  readonly codebases?: Readonly<Record<string, TriggerableCodebase>>;
}

export interface TriggerableCodebase {
  readonly repository?: string;
  readonly branch?: string | null;
  readonly revision?: string | null;
  readonly project?: string;
}

/** The part of a scheduler in a revision that completes calls. */
export interface CallDefaults {
  /** One source stamp per codebase. */
  readonly stamps?: readonly SourceStamp[];
}

export function compileCallDefaults(reader: ObjectReader): CallDefaults {
  return reader.has('codebases') ? { stamps: compileCodebases(reader.inner('codebases')) } : {};
}

/** Answers a call, whose source stamps are completed by the scheduler's codebases. */
export function answerCompleted(scheduler: CompiledScheduler & CallDefaults, call: Call): PlannedBuildset {
  return answerCall(scheduler, { ...call, sourceStamps: withDefaults(call.sourceStamps, scheduler.stamps ?? []) });
}

function compileCodebases(reader: ObjectReader): SourceStamp[] {
  const stamps = reader.keys().map((codebase) => {
    const of = reader.inner(codebase);
    const optional = (key: string): string | null => ((of.raw(key) ?? null) === null ? null : of.text(key, SHORT));
    const stamp = {
      ...{ codebase, branch: optional('branch'), revision: optional('revision') },
      ...{ repository: address(of, 'repository'), project: address(of, 'project') },
    };
    of.done();
    return stamp;
  });
  const { maxCount } = SOURCE_STAMP_LIMITS;
  if (stamps.length > maxCount || stamps.some(({ codebase }) => !SHORT.accepts(codebase)))
    reader.into.add(
      reader.path,
      undefined,
      `at most ${maxCount} codebases, named by at most 190 characters`,
      reader.where,
    );
  return stamps;
}

/** Reads a text that everybody sees, and must hold no secret. */
function address(reader: ObjectReader, key: string): string {
  const value = reader.raw(key);
  if (typeof value !== 'string' || secretInAddress(value) === null) return reader.text(key, { default: '', ...SHORT });
  const message = `${reader.at(key)} holds a secret, and everybody sees it`;
  reader.into.add(reader.at(key), undefined, 'an address without secrets', reader.where, message);
  return '';
}

/** Returns the given source stamps, completed by the defaults of their codebases, and the defaults of all other codebases. */
function withDefaults(given: readonly SourceStamp[], defaults: readonly SourceStamp[]): readonly SourceStamp[] {
  const known = new Map(defaults.map((stamp) => [stamp.codebase, stamp]));
  const completed = given.map((stamp) => {
    const { branch, revision, repository, project } = known.get(stamp.codebase) ?? NO_SOURCE;
    return {
      codebase: stamp.codebase,
      branch: stamp.branch ?? branch,
      revision: stamp.revision ?? revision,
      repository: stamp.repository || repository,
      project: stamp.project || project,
    };
  });
  const codebases = new Set(given.map(({ codebase }) => codebase));
  return [...completed, ...defaults.filter(({ codebase }) => !codebases.has(codebase))];
}
