import { Module } from '@nestjs/common';
import { PolicyModule } from '../access/policy.module.js';
import { ReadsModule } from '../reads.module.js';
import { ResourceTable } from './resource-table.js';
import { Sights } from './sights.js';

/** The resources of the API, and what of them callers see. */
@Module({
  imports: [ReadsModule, PolicyModule],
  providers: [ResourceTable, Sights],
  exports: [ResourceTable, Sights],
})
export class ResourcesModule {}
