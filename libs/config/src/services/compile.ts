import type { CompiledService } from '@millrace/contracts';
import type { ObjectReader } from '../object-reader.js';
import type { ServiceContext } from './kind.js';
import { SERVICE_KINDS } from './registry.js';

/** Reads the options that all services have, and lets the service's kind read the rest. */
export function compileService(reader: ObjectReader, context: ServiceContext): CompiledService {
  const kindName = reader.oneOf(
    'kind',
    SERVICE_KINDS.map(({ name }) => name),
  );
  const kind = SERVICE_KINDS.find(({ name }) => name === kindName)!;
  const name = reader.text('name', {
    accepts: (text) => /^\S(.{0,48}\S)?$/.test(text),
    expected: 'a name of 1 to 50 characters',
  });
  const compiled = { name, kind: kind.name, ...kind.compile(reader, context) };
  reader.done();
  return compiled;
}
