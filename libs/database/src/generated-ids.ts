import type { EntityMetadata, ObjectLiteral } from 'typeorm';

/** Returns generated ids as numbers: TypeORM returns them as text. */
export function numericIds(metadata: EntityMetadata, generated: ObjectLiteral | undefined): ObjectLiteral | undefined {
  if (!generated) return generated;
  const ids = metadata.generatedColumns.map(({ propertyName: name }) => ({ [name]: Number(generated[name]) }));
  return Object.assign({}, generated, ...ids) as ObjectLiteral;
}
