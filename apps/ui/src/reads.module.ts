import { type FactoryProvider, Module, type Type } from '@nestjs/common';
import { CatalogReads, RecentReads } from '@millrace/database';
import { Reads } from './reads.js';

/** Single reads, for what needs no more than one. */
const PARTS: readonly FactoryProvider[] = [
  part(CatalogReads, ({ catalog }) => catalog),
  part(RecentReads, ({ recent }) => recent),
];

function part<T>(provide: Type<T>, of: (reads: Reads) => T): FactoryProvider<T> {
  return { provide, useFactory: of, inject: [Reads] };
}

/** Everything that pages, events and commands read. */
@Module({ providers: [Reads, ...PARTS], exports: [Reads, CatalogReads, RecentReads] })
export class ReadsModule {}
