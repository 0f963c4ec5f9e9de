import type { CompiledService } from '@millrace/contracts';
import type { ObjectReader } from '../object-reader.js';
import type { ServiceContext } from './kind.js';
import { SERVICE_KINDS } from './registry.js';
import { REMOVED_BUILDERS } from './removed-builders.js';

/** Reads the options that all services have, and lets the service's kind read the rest. */
export function compileService(reader: ObjectReader, context: ServiceContext): CompiledService {
  const kindName = reader.oneOf(
    'kind',
    SERVICE_KINDS.map(({ name }) => name).filter((name) => name !== REMOVED_BUILDERS),
  );
  const kind = SERVICE_KINDS.find(({ name }) => name === kindName)!;
  const name = reader.text('name', {
    accepts: (text) => /^\S(.{0,48}\S)?$/.test(text) && text !== REMOVED_BUILDERS,
    expected: `a name of 1 to 50 characters other than '${REMOVED_BUILDERS}'`,
  });
  const compiled = { name, kind: kind.name, ...kind.compile(reader, context) };
  reader.done();
  return compiled;
}
