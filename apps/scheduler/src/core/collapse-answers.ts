import { type JsonValue, type Properties, type SourceStamp, stampForUsers } from '@millrace/domain';

/** A waiting request. */
export interface Request {
  readonly requestId: number;
  readonly priority: number;
  readonly submittedAtMs: number;
  readonly reason: string;
  readonly properties: Properties;
  readonly sourceStamps: readonly SourceStamp[];
}

/** A newer request, and the older ones that may be collapsed into it. */
export interface Pairs {
  readonly newer: Request;
  readonly older: readonly (Request & { readonly isCompatible: boolean })[];
}

/** The builder, as the callback gets it. */
export type Builder = {
  readonly name: string;
  readonly tags: readonly string[];
  readonly properties: Readonly<Record<string, JsonValue>>;
};

/** The result of a callback, or why it failed. */
export type Asked = { readonly value: JsonValue } | { readonly failed: string };

/** The requests that are to be collapsed, or why the callback failed. */
export type CollapseAnswer = { readonly collapsing: readonly number[] } | { readonly failed: string };

/** Asks about each older request. After a failure nobody is asked any more, and nothing is collapsed. */
export async function collapseAnswer(
  builder: Builder,
  { newer, older }: Pairs,
  ask: (value: JsonValue) => Promise<Asked>,
): Promise<CollapseAnswer> {
  const collapsing: number[] = [];
  for (const { isCompatible, ...one } of older) {
    const pair = { builder, newer: requestForUsers(newer), older: requestForUsers(one), isCompatible };
    const asked = await ask(pair);
    if ('failed' in asked) return { failed: `collapseRequests failed: ${asked.failed}` };
    if (typeof asked.value !== 'boolean')
      return { failed: 'collapseRequests failed: it returned neither true nor false' };
    if (asked.value) collapsing.push(one.requestId);
  }
  return { collapsing };
}

function requestForUsers(request: Request): Readonly<Record<string, JsonValue>> {
  const { requestId, priority, submittedAtMs, reason, properties, sourceStamps } = request;
  return {
    id: requestId,
    priority,
    submittedAt: Math.floor(submittedAtMs / 1000),
    reason,
    properties: Object.fromEntries(Object.entries(properties).map(([name, [value]]) => [name, value])),
    sourceStamps: sourceStamps.map(stampForUsers),
  };
}
