import type { CompiledProvider } from '@millrace/contracts';
import { ObjectReader } from '../../object-reader.js';
import { PROVIDER_KINDS } from './registry.js';

const MOST = 20;
/** A provider's name is a part of addresses. */
const NAME = {
  accepts: (text: string): boolean => /^[a-z0-9][a-z0-9-]{0,29}$/.test(text),
  expected: 'a name of 1 to 30 small letters, digits and dashes',
};
const LABEL = {
  accepts: (text: string): boolean => /^[^\p{C}]{1,50}$/u.test(text),
  expected: 'a text of 1 to 50 characters',
};

/** Reads the providers of `auth`. */
export function compileProviders(auth: ObjectReader): readonly CompiledProvider[] {
  const providers = auth.list('providers', (item, path) =>
    compileProvider(new ObjectReader(item, path, auth.into, auth.where)),
  );
  if (providers.length > MOST) auth.problem('providers', `at most ${MOST} providers`);
  for (const [index, { name }] of providers.entries()) {
    if (name !== '' && providers.findIndex((other) => other.name === name) < index)
      auth.into.add(`${auth.at('providers')}[${index}].name`, name, 'a name that no other provider has', auth.where);
  }
  return providers;
}

function compileProvider(reader: ObjectReader): CompiledProvider {
  const kindName = reader.oneOf(
    'kind',
    PROVIDER_KINDS.map(({ kind }) => kind),
  );
  const kind = PROVIDER_KINDS.find((one) => one.kind === kindName)!;
  const provider = {
    kind: kind.kind,
    name: reader.text('name', { default: kind.kind, ...NAME }),
    label: reader.text('label', { default: kind.label, ...LABEL }),
    ...kind.compile(reader),
  };
  reader.done();
  return provider as CompiledProvider;
}
