import { locate } from '../../location.js';
import type { ObjectReader } from '../../object-reader.js';
import type { SchedulerKind } from '../kind.js';
import { compileOnChange, type OnChange } from '../on-change/compile.js';
import { onChange } from '../on-change/decide.js';
import type { OnChangeOptions } from '../on-change/options.js';

export interface SingleBranchOptions extends OnChangeOptions {
  readonly branch: string | null;
}

export interface SingleBranchDefinition extends SingleBranchOptions {
  readonly kind: 'single-branch';
  readonly name: string;
}

/** Defines a scheduler that builds changes of one branch. */
export function singleBranch(name: string, options: SingleBranchOptions): SingleBranchDefinition {
  return locate(singleBranch, { ...options, kind: 'single-branch', name });
}

/** The kind `single-branch`. Its filter always names the branch. */
export const singleBranchKind: SchedulerKind<OnChange> = {
  name: 'single-branch',
  compile: (reader, { callbacks }) => {
    const compiled = compileOnChange(reader, callbacks);
    const branch = readBranch(reader, compiled.filter.branch !== undefined);
    return branch === undefined
      ? compiled
      : { ...compiled, filter: { ...compiled.filter, branch: { kind: 'values', values: [branch] } } };
  },
  codebases: ({ codebases }, ofChanges) => codebases?.map(({ codebase }) => codebase) ?? ofChanges,
  remembers: ({ isAbsolute }) => isAbsolute,
  on: onChange(({ repository }, { codebases }) => (codebases ? '' : repository)),
};

/** Reads the branch. Returns undefined, and reports a problem, when there is none that can be used. */
function readBranch(reader: ObjectReader, isFiltered: boolean): string | null | undefined {
  const branch = reader.raw('branch');
  if (branch !== null && (typeof branch !== 'string' || branch === '')) {
    reader.problem('branch', 'the name of a branch, or null for the default branch');
    return undefined;
  }
  if (!isFiltered) return branch;
  reader.problem('branch', 'one place that names the branch', `${reader.at('branch')} is given beside filter.branch`);
  return undefined;
}
