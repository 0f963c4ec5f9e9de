import { locate } from '../../location.js';
import type { SchedulerKind } from '../kind.js';
import { compileOnChange, type OnChange } from '../on-change/compile.js';
import { onChange } from '../on-change/decide.js';
import type { OnChangeOptions } from '../on-change/options.js';

export type AnyBranchOptions = OnChangeOptions;

export interface AnyBranchDefinition extends AnyBranchOptions {
  readonly kind: 'any-branch';
  readonly name: string;
}

/** Defines a scheduler that builds changes of every branch. Each branch has its own quiet time. */
export function anyBranch(name: string, options: AnyBranchOptions): AnyBranchDefinition {
  return locate(anyBranch, { ...options, kind: 'any-branch', name });
}

export const anyBranchKind: SchedulerKind<OnChange> = {
  name: 'any-branch',
  compile: (reader, { callbacks }) => compileOnChange(reader, callbacks),
  codebases: ({ codebases }, ofChanges) => codebases?.map(({ codebase }) => codebase) ?? ofChanges,
  remembers: ({ isAbsolute }) => isAbsolute,
  on: onChange(({ repository, project, codebase, branch }) => JSON.stringify([repository, project, codebase, branch])),
};
