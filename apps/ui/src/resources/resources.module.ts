import { Module } from '@nestjs/common';
import { ReadsModule } from '../reads.module.js';
import { EVERYBODY_MAY, RIGHTS } from './caller.js';
import { ResourceTable } from './resource-table.js';

/** The resources of the API, and the rights to use them. */
@Module({
  imports: [ReadsModule],
  providers: [ResourceTable, { provide: RIGHTS, useValue: EVERYBODY_MAY }],
  exports: [ResourceTable, RIGHTS],
})
export class ResourcesModule {}
