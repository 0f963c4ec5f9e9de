import {
  type CompiledForceCodebase,
  type CompiledForceScheduler,
  type ForceField,
  type ForceFieldResource,
  type ForceSchedulerResource,
  isForceScheduler,
} from '@millrace/contracts';
import type { CatalogReads } from '@millrace/database';
import type { Sight } from '@millrace/domain';

/** Returns the force schedulers of the configuration in use. They are read from the database: this master loads no user code (I5). */
export async function forceSchedulers(catalog: CatalogReads, sight: Sight | null): Promise<ForceSchedulerResource[]> {
  const compiled = await compiledForceSchedulers(catalog, sight);
  const enabled = new Map((await catalog.schedulers()).map((scheduler) => [scheduler.name, scheduler.enabled]));
  return compiled.map((scheduler) => toResource(scheduler, enabled.get(scheduler.name) ?? true));
}

/** Returns the force schedulers as somebody sees them: those with builders that are seen, and these builders only. */
export async function compiledForceSchedulers(
  catalog: CatalogReads,
  sight: Sight | null,
): Promise<CompiledForceScheduler[]> {
  const revision = await catalog.currentRevision();
  if (!revision) return [];
  const { builders, schedulers } = revision.config;
  return schedulers.filter(isForceScheduler).flatMap((scheduler) => {
    const names = sight ? scheduler.builders.filter((name) => sight.seesBuilderNamed(name)) : scheduler.builders;
    if (names.length === 0) return [];
    const its = builders.filter(({ name }) => names.includes(name));
    const workers = [...new Set(its.flatMap((builder) => builder.workers))];
    return [{ ...scheduler, builders: names, fields: scheduler.fields.map((field) => withWorkers(field, workers)) }];
  });
}

/** Returns a field whose choices are workers with their names, and any other as it is. */
function withWorkers(field: ForceField, workers: readonly string[]): ForceField {
  if (field.fields) return { ...field, fields: field.fields.map((inner) => withWorkers(inner, workers)) };
  return field.of === 'workers' ? { ...field, choices: workers } : field;
}

/** One field of the form with the name under which its value is posted. */
export interface FormLeaf {
  readonly fullName: string;
  readonly field: ForceField;
}

/** Returns what the names of a codebase's fields begin with. It is the codebase, unless that is the only, unnamed one. */
export function codebasePrefix({ codebase }: CompiledForceCodebase): string {
  return codebase === '' ? '' : `${codebase}_`;
}

/** Returns the fields of one codebase without its patch. */
export function codebaseLeaves(codebase: CompiledForceCodebase): FormLeaf[] {
  const prefix = codebasePrefix(codebase);
  return [codebase.branch, codebase.project, codebase.repository, codebase.revision].map((field) => ({
    fullName: prefix + field.name,
    field,
  }));
}

/** Returns the fields of a codebase's patch, by their own names. */
export function patchLeaves(codebase: CompiledForceCodebase): FormLeaf[] {
  return codebase.patch ? leavesOf([codebase.patch], codebasePrefix(codebase)) : [];
}

/** Returns every field of the form that has a value, in the order of the page. */
export function formLeaves(scheduler: CompiledForceScheduler): FormLeaf[] {
  const { username, reasonField, priorityField, codebases, fields } = scheduler;
  return [
    ...leavesOf([username, reasonField, priorityField], ''),
    ...codebases.flatMap((codebase) => [...codebaseLeaves(codebase), ...patchLeaves(codebase)]),
    ...leavesOf(fields, ''),
  ];
}

function leavesOf(fields: readonly ForceField[], prefix: string): FormLeaf[] {
  return fields.flatMap((field) =>
    field.fields ? leavesOf(field.fields, prefixWithin(field, prefix)) : [{ fullName: prefix + field.name, field }],
  );
}

/** Returns what the full names of a group's fields begin with. */
export function prefixWithin({ name }: ForceField, prefix: string): string {
  return name === '' ? prefix : `${prefix}${name}_`;
}

function toResource(scheduler: CompiledForceScheduler, enabled: boolean): ForceSchedulerResource {
  const { username, reasonField, priorityField, codebases, fields } = scheduler;
  const group = (name: string, columns: number, inner: readonly ForceFieldResource[]): ForceFieldResource => ({
    ...toField(emptyGroup(name, columns), ''),
    fields: inner,
  });
  return {
    all_fields: [
      group(
        '',
        1,
        [username, reasonField, priorityField].map((field) => toField(field, '')),
      ),
      ...codebases.map((codebase) =>
        group(
          codebase.codebase,
          2,
          [...codebaseLeaves(codebase).map(({ field }) => field), ...(codebase.patch ? [codebase.patch] : [])].map(
            (field) => toField(field, codebasePrefix(codebase)),
          ),
        ),
      ),
      ...(fields.length > 0
        ? [
            group(
              '',
              1,
              fields.map((field) => toField(field, '')),
            ),
          ]
        : []),
    ],
    builder_names: scheduler.builders,
    button_name: scheduler.buttonName,
    enabled,
    label: scheduler.label,
    name: scheduler.name,
  };
}

function emptyGroup(name: string, columns: number): ForceField {
  return {
    ...{ type: 'nested', name, label: name, tooltip: '', default: '', required: false, hide: false },
    ...{ regex: null, maxsize: null, fields: [], columns, layout: 'vertical' },
  };
}

function toField(field: ForceField, prefix: string): ForceFieldResource {
  const { choices, cols, rows, size, columns, layout } = field;
  const within = prefixWithin(field, prefix);
  return {
    autopopulate: field.autopopulate ?? null,
    ...(choices && { choices, strict: field.strict ?? true }),
    ...(cols !== undefined && { cols }),
    ...(field.fields && {
      ...{ columns: columns ?? 1, layout: layout ?? 'vertical' },
      fields: field.fields.map((inner) => toField(inner, within)),
    }),
    default: field.default,
    fullName: field.name === '' ? null : prefix + field.name,
    hide: field.hide,
    label: field.label,
    maxsize: field.maxsize,
    multiple: field.multiple ?? false,
    name: field.name,
    ...(field.type === 'username' && { need_email: field.needEmail ?? false }),
    regex: null,
    required: field.required,
    ...(rows !== undefined && { rows }),
    ...(size !== undefined && { size }),
    tablabel: field.tablabel ?? field.label,
    tooltip: field.tooltip,
    type: field.type,
  };
}
