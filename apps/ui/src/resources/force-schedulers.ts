import {
  type CompiledForceScheduler,
  type ForceField,
  type ForceFieldResource,
  type ForceSchedulerResource,
  isForceScheduler,
} from '@millrace/contracts';
import type { CatalogReads } from '@millrace/database';

/** Returns the force schedulers of the configuration in use. They are read from the database: this master loads no user code (I5). */
export async function forceSchedulers(catalog: CatalogReads): Promise<ForceSchedulerResource[]> {
  const compiled = await compiledForceSchedulers(catalog);
  const enabled = new Map((await catalog.schedulers()).map((scheduler) => [scheduler.name, scheduler.enabled]));
  return compiled.map((scheduler) => toResource(scheduler, enabled.get(scheduler.name) ?? true));
}

export async function compiledForceSchedulers(catalog: CatalogReads): Promise<CompiledForceScheduler[]> {
  const revision = await catalog.currentRevision();
  return revision?.config.schedulers.filter(isForceScheduler) ?? [];
}

/** One field of the form with the name under which its value is posted. */
export interface FormLeaf {
  readonly fullName: string;
  readonly field: ForceField;
}

/** Returns the fields of one codebase. Their names are prefixed by the codebase unless it is the only, unnamed one. */
export function codebaseLeaves(codebase: CompiledForceScheduler['codebases'][number]): FormLeaf[] {
  const prefix = codebase.codebase === '' ? '' : `${codebase.codebase}_`;
  return [codebase.branch, codebase.project, codebase.repository, codebase.revision].map((field) => ({
    fullName: prefix + field.name,
    field,
  }));
}

/** Returns every field of the form, in the order of the page. */
export function formLeaves(scheduler: CompiledForceScheduler): FormLeaf[] {
  const plain = (field: ForceField): FormLeaf => ({ fullName: field.name, field });
  return [
    ...[scheduler.username, scheduler.reasonField, scheduler.priorityField].map(plain),
    ...scheduler.codebases.flatMap(codebaseLeaves),
    ...scheduler.fields.map(plain),
  ];
}

function toResource(scheduler: CompiledForceScheduler, enabled: boolean): ForceSchedulerResource {
  const plain = (field: ForceField): FormLeaf => ({ fullName: field.name, field });
  return {
    all_fields: [
      nest('', 1, [scheduler.username, scheduler.reasonField, scheduler.priorityField].map(plain)),
      ...scheduler.codebases.map((codebase) => nest(codebase.codebase, 2, codebaseLeaves(codebase))),
      ...(scheduler.fields.length > 0 ? [nest('', 1, scheduler.fields.map(plain))] : []),
    ],
    builder_names: scheduler.builders,
    button_name: scheduler.buttonName,
    enabled,
    label: scheduler.label,
    name: scheduler.name,
  };
}

function nest(name: string, columns: number, leaves: readonly FormLeaf[]): ForceFieldResource {
  return {
    autopopulate: null,
    columns,
    default: '',
    fields: leaves.map(toField),
    fullName: name === '' ? null : name,
    hide: false,
    label: name,
    layout: 'vertical',
    maxsize: null,
    multiple: false,
    name,
    regex: null,
    required: false,
    tablabel: name,
    tooltip: '',
    type: 'nested',
  };
}

function toField({ fullName, field }: FormLeaf): ForceFieldResource {
  return {
    autopopulate: null,
    ...(field.choices ? { choices: field.choices, strict: field.strict ?? true } : {}),
    ...(field.cols !== undefined ? { cols: field.cols } : {}),
    default: field.default,
    fullName,
    hide: field.hide,
    label: field.label,
    maxsize: field.maxsize,
    multiple: field.multiple ?? false,
    name: field.name,
    ...(field.type === 'username' ? { need_email: false } : {}),
    regex: null,
    required: field.required,
    ...(field.rows !== undefined ? { rows: field.rows } : {}),
    ...(field.size !== undefined ? { size: field.size } : {}),
    tablabel: field.label,
    tooltip: field.tooltip,
    type: field.type,
  };
}
