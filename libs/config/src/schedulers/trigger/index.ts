import { NO_SOURCE, secretInAddress, SOURCE_STAMP_LIMITS, type SourceStamp } from '@millrace/domain';
import { locate } from '../../location.js';
import { type ObjectReader, SHORT } from '../../object-reader.js';
import { answerCall } from '../call.js';
import type { SchedulerKind } from '../kind.js';
import type { SchedulerOptions } from '../options.js';

export interface TriggerableOptions extends SchedulerOptions {
  /** Values for codebases of which a call gives no source stamp, or only a part of one. */
  readonly codebases?: Readonly<Record<string, TriggerableCodebase>>;
}

export interface TriggerableCodebase {
  readonly repository?: string;
  readonly branch?: string | null;
  readonly revision?: string | null;
  readonly project?: string;
}

export interface TriggerDefinition extends TriggerableOptions {
  readonly kind: 'trigger';
  readonly name: string;
}

/** The own part of a scheduler in a revision. */
interface CompiledTrigger {
  /** One source stamp per codebase. */
  readonly stamps?: readonly SourceStamp[];
}

/** Defines a scheduler that a step `trigger`, `POST /trigger` and `millrace trigger` start by name. */
export function triggerable(name: string, options: TriggerableOptions): TriggerDefinition {
  return locate(triggerable, { ...options, kind: 'trigger', name });
}

/** The same as `triggerable`, for configurations that do not need the name for a step. */
export function trigger(name: string, options: TriggerableOptions): TriggerDefinition {
  return locate(trigger, { ...options, kind: 'trigger', name });
}

export const triggerKind: SchedulerKind<CompiledTrigger> = {
  name: 'trigger',
  compile: (reader) => (reader.has('codebases') ? { stamps: compileCodebases(reader.inner('codebases')) } : {}),
  codebases: () => null,
  on: {
    call: (scheduler, call) =>
      answerCall(scheduler, { ...call, sourceStamps: withDefaults(call.sourceStamps, scheduler.stamps ?? []) }),
  },
};

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
