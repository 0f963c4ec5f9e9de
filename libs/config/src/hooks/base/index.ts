import { type JsonValue, checkProperties, parseJson } from '@millrace/domain';
import { locate } from '../../location.js';
import type { HookDialect } from '../kind.js';
import type { HookOptions } from '../options.js';
import { badDelivery } from '../payload.js';

export interface BaseHookDefinition extends HookOptions {
  readonly dialect: 'base';
}

/** Defines a hook for scripts: `POST /change_hook/base` with the fields of one change as a form. */
export function baseHook(options: HookOptions): BaseHookDefinition {
  return locate(baseHook, { ...options, dialect: 'base' });
}

export const baseDialect: HookDialect = {
  name: 'base',
  compile: () => ({}),
  proof: () => ({ kind: 'authorization' }),
  deliveryHeaders: ['idempotency-key'],
  read(hook, { body }) {
    const form = new URLSearchParams(body);
    const text = (...names: readonly string[]): string | null =>
      names.map((name) => form.get(name)).find((value) => value !== null && value !== '') ?? null;
    const author = text('author', 'who');
    if (author === null) throw badDelivery("the form has no field 'author'", 'author');
    return {
      kind: 'changes',
      changes: [
        {
          author,
          committer: text('committer'),
          comments: text('comments') ?? '',
          branch: text('branch'),
          revision: text('revision'),
          revlink: text('revlink') ?? '',
          category: text('category'),
          repository: text('repository') ?? '',
          project: text('project') ?? hook.project ?? '',
          codebase: text('codebase') ?? hook.codebase,
          whenMs: whenMs(text('when_timestamp', 'when')),
          files: files(text('files')),
          properties: properties(text('properties')),
        },
      ],
    };
  },
};

function whenMs(seconds: string | null): number | null {
  if (seconds === null) return null;
  const ms = Number(seconds) * 1000;
  if (!Number.isFinite(ms)) throw badDelivery(`when is '${seconds}': expected seconds since 1970`, 'when');
  return ms;
}

function files(json: string | null): string[] {
  if (json === null) return [];
  const list = parseJson(json, { maxDepth: 1 }, "the field 'files'");
  if (Array.isArray(list) && list.every((file) => typeof file === 'string')) return list;
  throw badDelivery('files has to be a JSON list of paths', 'files');
}

function properties(json: string | null): Readonly<Record<string, JsonValue>> {
  if (json === null) return {};
  const values = parseJson(json, {}, "the field 'properties'");
  checkProperties(values);
  return values;
}
