import type { CompiledChangeSource, CompiledCodebase, CompiledHook } from '@millrace/contracts';
import { type ObjectReader, references } from './object-reader.js';

/** Its name is a part of addresses, in which it does not look like a number. */
const NAME = {
  accepts: (text: string): boolean => /^[A-Za-z_][\w.-]{0,189}$/.test(text),
  expected: 'a name of 1 to 190 letters, digits and _.-, of which the first is no digit',
};

/** A codebase whose commits are recorded: by the Git pollers, and from the pushes of the hooks, with this `project` and `codebase`. */
export interface RecordedCodebaseDefinition {
  readonly name: string;
  readonly project: string;
  /** Short name for people. The default is the name. */
  readonly slug?: string;
}

export function compileCodebase(reader: ObjectReader, projects: ReadonlySet<string>): CompiledCodebase {
  const name = reader.text('name', NAME);
  const project = reader.text('project');
  if (project !== '') references(reader, 'project', [project], projects, 'project');
  const slug = reader.text('slug', { default: name, ...NAME });
  reader.done();
  return { name, project, slug };
}

/** Reports codebases that are there twice, and those whose commits nobody records. */
export function checkCodebases(
  codebases: readonly CompiledCodebase[],
  readers: readonly ObjectReader[],
  sources: readonly CompiledChangeSource[],
  hooks: readonly CompiledHook[],
): void {
  for (const [index, { name, project }] of codebases.entries()) {
    const is = (other: CompiledCodebase): boolean => other.name === name && other.project === project;
    if (codebases.findIndex(is) < index) readers[index]!.problem('name', 'a name that is used once in a project');
    else if (
      !sources.some((source) => isOf(codebases[index]!, source)) &&
      // A delivery names the project where the hook does not.
      !hooks.some((hook) => hook.codebase === name && (hook.project ?? project) === project)
    )
      readers[index]!.problem('name', `the codebase of a Git poller or a hook with the project '${project}'`);
  }
}

/** Returns the change sources, with what is said to those that record commits. */
export function recordingSources(
  sources: readonly CompiledChangeSource[],
  codebases: readonly CompiledCodebase[],
): CompiledChangeSource[] {
  return sources.map((source) =>
    source.kind === 'git' && codebases.some((codebase) => isOf(codebase, source))
      ? { ...source, recordsCommits: true }
      : source,
  );
}

function isOf({ name, project }: CompiledCodebase, source: CompiledChangeSource): boolean {
  return source.kind === 'git' && source.codebase === name && source.project === project;
}
