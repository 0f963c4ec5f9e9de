import { interpolate, type InterpolationSources, type Properties } from '@millrace/domain';
import type { Interpolation, Renderable, RenderContext } from './step.js';

const IN_PLAIN_TEXT = /%\((?:prop|src|secret):[^)]*\)s/g;

function isInterpolation(value: object): value is Interpolation {
  return 'interpolate' in value && typeof value.interpolate === 'string' && Object.keys(value).length === 1;
}

/** The value for this build: templates filled in, callbacks called, lists and plain records rendered part by part. */
export async function render<T>(value: Renderable<T>, context: RenderContext, properties: Properties): Promise<T> {
  const { branch, revision, repository, project, codebase } = context.sourceStamp;
  const sources: InterpolationSources = { properties, src: { branch, revision, repository, project, codebase } };
  return (await renderPart(value, context, sources)) as T;
}

async function renderPart(value: unknown, context: RenderContext, sources: InterpolationSources): Promise<unknown> {
  if (typeof value === 'string') return value.replace(IN_PLAIN_TEXT, (match) => interpolate(match, sources));
  if (typeof value === 'function') return await (value as (context: RenderContext) => unknown)(context);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return await Promise.all(value.map((item) => renderPart(item, context, sources)));
  if (isInterpolation(value)) return interpolate(value.interpolate, sources);
  const entries = Object.entries(value).map(
    async ([key, item]) => [key, await renderPart(item, context, sources)] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}
