import {
  type Renderable,
  type Step,
  type StepContext,
  type StepOptions,
  type StepOutcome,
  type TriggeredBuildset,
} from '@millrace/config';
import {
  type JsonValue,
  NO_SOURCE,
  Result,
  resultName,
  type SourceStamp,
  withGotRevisions,
  worstOf,
} from '@millrace/domain';
import { makeStep } from './make-step.js';

/** A scheduler that a callback chooses, with what is special about it. */
export interface ChosenScheduler {
  readonly scheduler: string;
  /** They take precedence over `setProperties`. */
  readonly properties?: Readonly<Record<string, JsonValue>>;
  /** Whether the step's result does not depend on its builds. */
  readonly unimportant?: boolean;
}

export interface TriggerStepOptions extends StepOptions {
  /** Names of schedulers; or a callback that chooses them, build by build. */
  readonly schedulers: Renderable<readonly (string | ChosenScheduler)[]>;
  /** Names of those schedulers on whose builds the step's result does not depend. */
  readonly unimportant?: readonly string[];
  /** Wait until the builds have ended, and get their worst result. Default false. */
  readonly waitForFinish?: boolean;
  /** Build exactly the revisions that this build has checked out (`got_revision`). Default true, unless one of the next two is given. */
  readonly updateSourceStamp?: boolean;
  /** Build the latest revision of each scheduler's own codebases, whatever this build has. */
  readonly alwaysUseLatest?: boolean;
  /** The source stamps to build, instead of this build's. */
  readonly sourceStamps?: Renderable<readonly Partial<SourceStamp>[]>;
  /** Properties of the builds. */
  readonly setProperties?: Readonly<Record<string, Renderable<JsonValue>>>;
  /** Shown with the builds. Default `Triggered from`. */
  readonly parentRelationship?: string;
  /** Default: that of each scheduler, or of this build's request where the scheduler has none. */
  readonly priority?: number;
}

/** Makes a step that starts other builds by the names of their schedulers, and may wait for them. */
export function trigger(options: TriggerStepOptions): Step {
  const { schedulers, unimportant = [], waitForFinish = false, parentRelationship, priority } = options;
  const run = async (step: StepContext): Promise<StepOutcome> => {
    const chosen = (await step.render(schedulers)).map((one) => (typeof one === 'string' ? { scheduler: one } : one));
    const names = chosen.map(({ scheduler }) => scheduler).join(', ');
    if (chosen.length === 0) return { result: Result.SKIPPED };
    const properties = await step.render((options.setProperties ?? {}) as Readonly<Record<string, JsonValue>>);
    step.setState(waitForFinish ? `waiting for ${names}` : `triggering ${names}`);
    const { triggered, cancelled } = await step.trigger({
      schedulers: chosen.map((one) => ({ name: one.scheduler, properties: { ...properties, ...one.properties } })),
      waitForFinish,
      sourceStamps: await stampsFor(step, options),
      relationship: parentRelationship ?? 'Triggered from',
      priority: priority ?? null,
    });
    if (cancelled) return { result: Result.CANCELLED, stateString: `triggered ${names}` };
    const counts = (_: unknown, i: number): boolean =>
      chosen[i]!.unimportant !== true && !unimportant.includes(chosen[i]!.scheduler);
    return {
      result: worstOf(triggered.filter(counts).map(({ results }) => results ?? Result.SUCCESS)),
      stateString: `triggered ${triggered.map(shown).join(', ')}`,
    };
  };
  return makeStep(trigger, options, {
    kind: 'trigger',
    run,
    triggers: constantNames(schedulers),
    check: (reader) => {
      const given = reader.raw('schedulers');
      const isList =
        Array.isArray(given) && given.length > 0 && given.every((one) => typeof one === 'string' || isChosen(one));
      if (typeof given !== 'function' && !isList) reader.problem('schedulers', 'a list of schedulers, or a callback');
      const known = constantNames(schedulers);
      reader.texts('unimportant').forEach((name, i) => {
        if (typeof given === 'function' || known.length === 0 || known.includes(name)) return;
        reader.into.add(`unimportant[${i}]`, name, 'one of schedulers', reader.where);
      });
      reader.boolean('waitForFinish', false);
      const latest = reader.boolean('alwaysUseLatest', false);
      const update = reader.boolean('updateSourceStamp', false);
      const stamps = reader.raw('sourceStamps');
      if (stamps !== undefined && typeof stamps !== 'function' && !Array.isArray(stamps))
        reader.problem('sourceStamps', 'a list of source stamps, or a callback');
      if ([latest, update, stamps !== undefined].filter(Boolean).length > 1)
        reader.problem('sourceStamps', 'only one of sourceStamps, alwaysUseLatest and updateSourceStamp');
      reader.record('setProperties', () => true, 'a value');
      reader.text('parentRelationship', {
        ...{ default: '', accepts: (text: string) => text.length <= 190, expected: 'a text of at most 190 characters' },
      });
      reader.number('priority', { default: null, integer: true });
    },
  });
}

function isChosen(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'scheduler' in value && typeof value.scheduler === 'string';
}

/** Returns the names that are the same for every build. */
function constantNames(schedulers: unknown): string[] {
  if (!Array.isArray(schedulers)) return [];
  return schedulers.flatMap((one: unknown) => {
    const name: unknown = isChosen(one) ? (one as ChosenScheduler).scheduler : one;
    return typeof name === 'string' && !name.includes('%(') ? [name] : [];
  });
}

async function stampsFor(step: StepContext, options: TriggerStepOptions): Promise<readonly SourceStamp[]> {
  if (options.alwaysUseLatest) return [];
  if (options.sourceStamps !== undefined) {
    const stamps = await step.render(options.sourceStamps);
    return stamps.map((stamp) => ({ ...NO_SOURCE, ...stamp }));
  }
  if (options.updateSourceStamp === false) return step.sourceStamps;
  return withGotRevisions(step.sourceStamps, step.properties.get('got_revision'));
}

function shown({ scheduler, buildsetId, results }: TriggeredBuildset): string {
  if (buildsetId === null) return `${scheduler} (builds at its time)`;
  return results === null || results === Result.SUCCESS ? scheduler : `${scheduler} (${resultName(results)})`;
}
