import type { ForceFieldResource, ForceSchedulerResource } from '@millrace/contracts';
import { type JsonValue, printable, UserError } from '@millrace/domain';

/** What somebody asks for on the command line. */
export interface ForceWishes {
  readonly builder: string;
  /** Needed where several forms start the builder. */
  readonly scheduler?: string | undefined;
  /** Needed where the form has several codebases and one of them is spoken of. */
  readonly codebase?: string | undefined;
  readonly branch?: string | undefined;
  readonly revision?: string | undefined;
  readonly repository?: string | undefined;
  readonly project?: string | undefined;
  readonly reason?: string | undefined;
  readonly patch?: WishedPatch | undefined;
  readonly properties: Readonly<Record<string, string>>;
}

export interface WishedPatch {
  readonly body: string;
  readonly level: number;
  readonly author: string;
  readonly comment: string;
  readonly subdir: string;
}

/** The form that is to be sent, and its values by the full names of its fields. */
export interface ForceOrder {
  readonly scheduler: string;
  readonly params: Readonly<Record<string, JsonValue>>;
}

const OF_CODEBASE = ['branch', 'revision', 'repository', 'project'] as const;

/**
 * Returns how a builder's forms are filled in for what somebody wishes for.
 * @throws UserError `no-form`, `ambiguous`, `no-codebase`, `no-patch`, `no-field`
 */
export function forceOrder(forms: readonly ForceSchedulerResource[], wishes: ForceWishes): ForceOrder {
  const form = chosenForm(forms, wishes);
  const spoken = OF_CODEBASE.filter((name) => wishes[name] !== undefined);
  const isOfCodebase = spoken.length > 0 || wishes.patch !== undefined || wishes.codebase !== undefined;
  return {
    scheduler: form.name,
    params: {
      builderNames: [wishes.builder],
      ...(wishes.reason !== undefined && { [fieldNamed(form, leavesOf(form), 'reason').fullName!]: wishes.reason }),
      ...(isOfCodebase && codebaseParams(form, wishes, spoken)),
      ...propertyParams(form, wishes.properties),
    },
  };
}

function chosenForm(forms: readonly ForceSchedulerResource[], wishes: ForceWishes): ForceSchedulerResource {
  const { builder, scheduler, patch } = wishes;
  const named = forms.filter(({ name }) => scheduler === undefined || name === scheduler);
  const usable = patch ? named.filter((form) => codebasesOf(form).some((codebase) => patchField(codebase))) : named;
  if (usable.length === 1) return usable[0]!;
  if (usable.length > 1)
    throw new UserError('ambiguous', `several forms start '${builder}': choose one with --scheduler: ${names(usable)}`);
  if (named.length > 0)
    throw new UserError(
      'no-patch',
      `no form that starts '${builder}' takes a patch (${names(named)}): its configuration needs a codebase with 'patch: true'`,
    );
  const which = scheduler === undefined ? 'no form starts' : `no form '${scheduler}' starts`;
  throw new UserError(
    'no-form',
    forms.length > 0 ? `${which} '${builder}': there are ${names(forms)}` : `${which} '${builder}'`,
  );
}

function codebaseParams(
  form: ForceSchedulerResource,
  wishes: ForceWishes,
  spoken: readonly (typeof OF_CODEBASE)[number][],
): Record<string, JsonValue> {
  const codebase = chosenCodebase(form, wishes);
  const fields = codebase.fields ?? [];
  return {
    ...Object.fromEntries(spoken.map((name) => [fieldNamed(form, fields, name).fullName!, wishes[name]!])),
    ...(wishes.patch && patchParams(form, codebase, wishes.patch)),
  };
}

function chosenCodebase(form: ForceSchedulerResource, { codebase: wished, patch }: ForceWishes): ForceFieldResource {
  const all = codebasesOf(form);
  const named = all.filter(({ name }) => wished === undefined || name === wished);
  const usable = patch ? named.filter((codebase) => patchField(codebase)) : named;
  if (usable.length === 1) return usable[0]!;
  const which = all.map(({ name }) => `'${name}'`).join(', ');
  if (usable.length > 1)
    throw new UserError(
      'ambiguous',
      `the form '${form.name}' has several codebases: choose one with --codebase: ${which}`,
    );
  if (named.length > 0)
    throw new UserError('no-patch', `codebase '${named[0]!.name}' of the form '${form.name}' takes no patch`);
  throw new UserError(
    'no-codebase',
    wished === undefined
      ? `the form '${form.name}' asks for no sources`
      : `the form '${form.name}' has no codebase '${wished}': it has ${which || 'none'}`,
  );
}

/** Codebases are groups whose first field is their branch. */
function codebasesOf({ all_fields: groups }: ForceSchedulerResource): readonly ForceFieldResource[] {
  return groups.filter(({ fields: [first, ...others] = [] }) => {
    const has = (name: string): boolean => others.some((field) => field.name === name);
    return first?.name === 'branch' && has('repository') && has('revision');
  });
}

function patchField({ fields = [] }: ForceFieldResource): ForceFieldResource | undefined {
  return fields.find(({ type, fields: inner = [] }) => type === 'nested' && inner.some(({ name }) => name === 'body'));
}

function patchParams(
  form: ForceSchedulerResource,
  codebase: ForceFieldResource,
  patch: WishedPatch,
): Record<string, JsonValue> {
  const fields = patchField(codebase)!.fields!;
  return Object.fromEntries(
    Object.entries(patch).map(([name, value]) => [fieldNamed(form, fields, name).fullName!, value as JsonValue]),
  );
}

function propertyParams(
  form: ForceSchedulerResource,
  properties: Readonly<Record<string, string>>,
): Record<string, JsonValue> {
  const asked = leavesOf({ all_fields: form.all_fields.slice(1 + codebasesOf(form).length) });
  const free = anyProperties(form);
  return Object.fromEntries(
    Object.entries(properties).flatMap(([name, value]): (readonly [string, JsonValue])[] => {
      const field = asked.find(({ fullName, type }) => fullName === name && type !== 'fixed');
      if (field) return [[name, valueFor(field, value)]];
      const group = free.shift();
      if (!group) throw new UserError('no-field', strange(form, asked, name));
      const within = (of: string) => group.fields!.find((inner) => inner.name === of)!.fullName!;
      return [
        [within('name'), name],
        [within('value'), value],
      ];
    }),
  );
}

/** Groups of a name and a value: properties that whoever forces may call what they like. */
function anyProperties({ all_fields }: Pick<ForceSchedulerResource, 'all_fields'>): ForceFieldResource[] {
  const within = (field: ForceFieldResource): ForceFieldResource[] => {
    const { fields = [] } = field;
    const isOne = field.name !== '' && fields.length === 2 && fields[0]!.name === 'name' && fields[1]!.name === 'value';
    return isOne ? [field] : fields.flatMap(within);
  };
  return all_fields.flatMap(within);
}

/** A form takes true and false for a box to tick, and lists where several may be chosen. */
function valueFor({ type, multiple }: ForceFieldResource, value: string): JsonValue {
  if (type === 'bool' && (value === 'true' || value === 'false')) return value === 'true';
  return multiple ? value.split(',') : value;
}

function fieldNamed(
  form: ForceSchedulerResource,
  fields: readonly ForceFieldResource[],
  wanted: string,
): ForceFieldResource {
  const field = fields.find(({ name }) => name === wanted);
  if (field && field.type !== 'fixed') return field;
  throw new UserError('no-field', `the form '${form.name}' does not ask for the ${wanted}: its configuration says it`);
}

function strange(form: ForceSchedulerResource, asked: readonly ForceFieldResource[], name: string): string {
  const known = asked.map(({ fullName }) => fullName).join(', ');
  return `the form '${form.name}' has no field '${printable(name, 100)}': it asks for ${known || 'no properties'}`;
}

function leavesOf({ all_fields }: Pick<ForceSchedulerResource, 'all_fields'>): readonly ForceFieldResource[] {
  return all_fields.flatMap((field) => (field.fields ? leavesOf({ all_fields: field.fields }) : [field]));
}

function names(forms: readonly ForceSchedulerResource[]): string {
  return forms.map(({ name }) => name).join(', ');
}
