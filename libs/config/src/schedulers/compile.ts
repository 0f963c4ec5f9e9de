import { type CompiledScheduler, PRIORITY_LIMIT } from '@millrace/contracts';
import type { CallbackTable } from '../callback-table.js';
import { ANY_TEXT, type ObjectReader, references } from '../object-reader.js';
import { compileChoosing } from './choosing.js';
import { SCHEDULER_KINDS } from './registry.js';

/** Reads the options that all schedulers have, and lets the scheduler's kind read the rest. */
export function compileScheduler(
  reader: ObjectReader,
  builders: ReadonlySet<string>,
  callbacks: CallbackTable,
): CompiledScheduler {
  const kindName = reader.oneOf(
    'kind',
    SCHEDULER_KINDS.map(({ name }) => name),
  );
  const kind = SCHEDULER_KINDS.find(({ name }) => name === kindName)!;
  const choosing = compileChoosing(reader, kind, callbacks);
  const names = choosing?.builders
    ? [...builders]
    : reader.texts('builders', { required: true, expected: 'a list of builder names' });
  if (Array.isArray(reader.raw('builders')) && names.length === 0) reader.problem('builders', 'at least one builder');
  if (!choosing?.builders) references(reader, 'builders', names, builders, 'builder');
  const common = {
    name: reader.text('name', {
      accepts: (text) => /^\S(.{0,48}\S)?$/.test(text),
      expected: 'a name of 1 to 50 characters',
    }),
    builders: [...new Set(names)],
    reason: reader.text('reason', { default: '', ...ANY_TEXT }),
    properties: reader.properties(),
    priority: choosing?.priority
      ? 0
      : reader.number('priority', { default: 0, min: -PRIORITY_LIMIT, max: PRIORITY_LIMIT, integer: true }),
    ...(choosing && { choosing }),
  };
  const compiled = { ...common, kind: kind.name, ...kind.compile(reader, { name: common.name, callbacks }) };
  reader.done();
  return compiled;
}
