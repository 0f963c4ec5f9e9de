import { Module } from '@nestjs/common';
import { ReadsModule } from '../reads.module.js';
import { ResourceTable } from './resource-table.js';

/** The resources of the API. */
@Module({
  imports: [ReadsModule],
  providers: [ResourceTable],
  exports: [ResourceTable],
})
export class ResourcesModule {}
