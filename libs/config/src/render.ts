import {
  interpolate,
  interpolateCommand,
  interpolatePath,
  type InterpolationSources,
  type Properties,
  secretProblem,
  type TemplateRules,
} from '@millrace/domain';
import type { Interpolation, Renderable, RenderContext } from './step.js';

const PLAIN: TemplateRules = { plain: true };
const ALL: TemplateRules = { plain: false };

export function isInterpolation(value: unknown): value is Interpolation {
  return (
    typeof value === 'object' &&
    value !== null &&
    'interpolate' in value &&
    typeof value.interpolate === 'string' &&
    Object.keys(value).length === 1
  );
}

/** Returns the text and rules of a string or a template; null for other values, which have no placeholders of their own. */
export function templateOf(value: unknown): { readonly text: string; readonly rules: TemplateRules } | null {
  if (typeof value === 'string') return { text: value, rules: PLAIN };
  return isInterpolation(value) ? { text: value.interpolate, rules: ALL } : null;
}

/** Returns why a value cannot be rendered, which is when a template anywhere in it asks for a secret; null when it can. */
export function unrenderable(value: unknown): string | null {
  const template = templateOf(value);
  if (template) return secretProblem(template.text, template.rules)?.message ?? null;
  // Only plain data is rendered.
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return null;
  for (const part of Object.values(value)) {
    const problem = unrenderable(part);
    if (problem !== null) return problem;
  }
  return null;
}

function sourcesOf(context: RenderContext, properties: Properties): InterpolationSources {
  return { properties, sourceStamps: context.sourceStamps };
}

/** Renders a value for this build: templates are filled in, callbacks called, lists and plain records rendered part by part. */
export async function render<T>(value: Renderable<T>, context: RenderContext, properties: Properties): Promise<T> {
  return (await renderPart(value, context, sourcesOf(context, properties))) as T;
}

/**
 * Renders a command. In a string for the worker's shell every value is quoted. In a list each string is an argument and needs no quotes.
 */
export async function renderCommand(
  command: Renderable<string | readonly string[]>,
  context: RenderContext,
  properties: Properties,
): Promise<string | readonly string[]> {
  const template = templateOf(command);
  if (!template) return await render(command, context, properties);
  return interpolateCommand(template.text, sourcesOf(context, properties), template.rules, context.worker.system);
}

/** Renders a path on the worker. Values can only lead to places below the one that the author has named. */
export async function renderPath(
  path: Renderable<string>,
  context: RenderContext,
  properties: Properties,
): Promise<string> {
  const template = templateOf(path);
  if (!template) return await render(path, context, properties);
  return interpolatePath(template.text, sourcesOf(context, properties), template.rules);
}

async function renderPart(value: unknown, context: RenderContext, sources: InterpolationSources): Promise<unknown> {
  const template = templateOf(value);
  if (template) return interpolate(template.text, sources, template.rules);
  if (typeof value === 'function') return await (value as (context: RenderContext) => unknown)(context);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return await Promise.all(value.map((item) => renderPart(item, context, sources)));
  const entries = Object.entries(value).map(
    async ([key, item]) => [key, await renderPart(item, context, sources)] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}
