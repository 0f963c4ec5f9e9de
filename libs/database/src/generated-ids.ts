import type { EntityMetadata, ObjectLiteral } from 'typeorm';

/** Ids that the database gave, as the numbers that they are: TypeORM makes text of them. */
export function numericIds(metadata: EntityMetadata, generated: ObjectLiteral | undefined): ObjectLiteral | undefined {
  if (!generated) return generated;
  const ids = metadata.generatedColumns.map(({ propertyName: name }) => ({ [name]: Number(generated[name]) }));
  return Object.assign({}, generated, ...ids) as ObjectLiteral;
}
