import type { ForceSchedulerResource } from '@millrace/contracts';
import { CATALOG, type RecordedDeed } from '@millrace/database';
import { type JsonValue, printable, UserError } from '@millrace/domain';
import { ArrayMaxSize, ArrayMinSize, IsArray, IsOptional, IsString, ValidateBy } from 'class-validator';
import { announce } from './announce.js';
import { type Caller, ownerNameOf, type Place } from './caller.js';
import { readForm } from './force-form.js';
import { compiledForceSchedulers, forceSchedulers } from './force-schedulers.js';
import { checked, expected, FormRefused, type PostedParams } from './params.js';
import { placeOfBuilder } from './places.js';
import { address, type Resource, resource, type ResourcePorts, smallList } from './resource.js';

const MAX_BUILDERS = 1_000;
const NAMES = expected(`a list of 1 to ${MAX_BUILDERS} names`);
const NAMES_EACH = { ...NAMES, each: true };

/** The builders to start, beside the form's own fields. Without either parameter they are all of the scheduler's builders. */
class ForceParams {
  @IsOptional()
  @ValidateBy(
    { name: 'isBuilderNumber', validator: { validate: isBuilderNumber } },
    expected('the number of a builder'),
  )
  builderid?: number | string | null;
  @IsOptional()
  @IsArray(NAMES)
  @ArrayMinSize(1, NAMES)
  @ArrayMaxSize(MAX_BUILDERS, NAMES)
  @IsString(NAMES_EACH)
  builderNames?: readonly string[] | null;
}

type CheckedForce = ReturnType<typeof checked<ForceParams>>;

export function forceschedulers({ reads, actions, sightOf, publish }: ResourcePorts): Resource {
  const { catalog } = reads;
  /**
   * Returns the requested builders, all of which the scheduler may start; otherwise errors by parameter.
   * @param asked name of the builder whose number is posted, if there is one
   */
  const wantedBuilders = async (
    allowed: readonly string[],
    { params, problems }: CheckedForce,
    asked: string | null,
  ): Promise<{ ids: readonly number[] } | { problems: Readonly<Record<string, string>> }> => {
    if (Object.keys(problems).length > 0) return { problems };
    const { builderid = null, builderNames: names = null } = params;
    const theirs = allowed.join(', ');
    if (builderid !== null)
      return asked !== null && allowed.includes(asked)
        ? { ids: [Number(builderid)] }
        : { problems: { builderid: `builder ${builderid} is not one of this scheduler's: ${theirs}` } };
    const known = await catalog.builderIds(allowed);
    if (names === null) {
      return known.size > 0
        ? { ids: [...known.values()] }
        : { problems: { builderid: `none of this scheduler's builders is known: ${theirs}` } };
    }
    const stranger = names.find((name) => !known.has(name));
    return stranger === undefined
      ? { ids: [...new Set(names)].map((name) => known.get(name)!) }
      : {
          problems: { builderNames: `builder '${printable(stranger, 100)}' is not one of this scheduler's: ${theirs}` },
        };
  };
  /** Returns the places of a form: each wanted builder, on each branch that it names. */
  const places = async (name: string, posted: PostedParams, caller: Caller): Promise<readonly Place[]> => {
    const params = checked(ForceParams, posted);
    const [compiled, row] = await Promise.all([
      compiledForceSchedulers(catalog, sightOf(caller)),
      catalog.scheduler(name, builderNumber(params)),
    ]);
    const scheduler = compiled.find((candidate) => candidate.name === name);
    if (!scheduler) return [];
    const outcome = readForm(scheduler, posted);
    const wanted = await wantedBuilders(scheduler.builders, params, row?.builder ?? null);
    // What is wrong with the form is said by whatever carries it out.
    const stamps = outcome.ok ? outcome.order.sourceStamps : [];
    const branches = new Set(stamps.map(({ branch }) => branch));
    const builders = await Promise.all(
      ('ids' in wanted ? wanted.ids : []).map((builderId) => placeOfBuilder(reads, builderId)),
    );
    const at = { scheduler: name };
    return (builders.length > 0 ? builders : [{}]).flatMap((builder) =>
      (branches.size > 0 ? [...branches] : [null]).map((branch) => ({
        ...at,
        ...builder,
        ...(branch !== null && { branch }),
      })),
    );
  };
  const force = async (caller: Caller, name: string, posted: PostedParams, deed: RecordedDeed): Promise<JsonValue> => {
    const params = checked(ForceParams, posted);
    const compiledFor = compiledForceSchedulers(catalog, sightOf(caller));
    const [compiled, row] = await Promise.all([compiledFor, catalog.scheduler(name, builderNumber(params))]);
    const scheduler = compiled.find((candidate) => candidate.name === name);
    if (!scheduler || !row) throw new UserError('not-found', `no force scheduler '${name}'`, { name });
    if (!row.enabled) throw new UserError('disabled', `force scheduler '${name}' is disabled`, { name });
    const owner = ownerNameOf(caller);
    const outcome = readForm(scheduler, owner === null ? posted : { ...posted, [scheduler.username.name]: owner });
    const builders = await wantedBuilders(scheduler.builders, params, row.builder);
    // All errors are reported at once.
    if (!outcome.ok || 'problems' in builders) {
      throw new FormRefused({
        ...(outcome.ok ? {} : outcome.problems),
        ...('problems' in builders ? builders.problems : {}),
      });
    }
    const created = await actions.force({
      ...outcome.order,
      schedulerId: row.id,
      schedulerName: name,
      builderIds: builders.ids,
      deed,
    });
    return announce(publish, created);
  };
  return resource<ForceSchedulerResource, string>({
    name: 'forcescheduler',
    shape: CATALOG.forceschedulers,
    async seen(rows, sight) {
      const names = new Set(rows.map(({ name }) => name));
      return (await forceSchedulers(catalog, sight)).filter(({ name }) => names.has(name));
    },
    one: {
      at: [address('forceschedulers/s:schedulername', ([name]) => name)],
      read: async (name) => (await forceSchedulers(catalog, null)).find((one) => one.name === name) ?? null,
    },
    reads: [
      smallList('forceschedulers', () => forceSchedulers(catalog, null)),
      smallList('builders/n:builderid/forceschedulers', async ([id]) => {
        const [builder] = await catalog.builders([id]);
        return (await forceSchedulers(catalog, null)).filter(
          (one) => builder !== undefined && one.builder_names.includes(builder.name),
        );
      }),
    ],
    places,
    actions: {
      // The other parameters are the fields of the form, which the scheduler's configuration defines.
      force: { permission: 'force', params: ForceParams, run: force, recordsItself: true },
    },
  });
}

/** Returns the number of the posted builder. Null where none is posted, or something that is not written as a number of a builder is. */
function builderNumber({ params: { builderid } }: CheckedForce): number | null {
  const number = Number(builderid ?? NaN);
  return isBuilderNumber(builderid) && String(number) === String(builderid) ? number : null;
}

function isBuilderNumber(value: unknown): boolean {
  return typeof value === 'number'
    ? Number.isSafeInteger(value)
    : typeof value === 'string' && /^\d{1,16}$/.test(value);
}
