import { Module } from '@nestjs/common';
import { BuildsModule } from './builds/builds.module.js';
import { ClaimingModule } from './claiming/claiming.module.js';
import { ConfigurationModule } from './configuration/configuration.module.js';
import { Engine } from './engine.js';
import { WorkersModule } from './workers/workers.module.js';

/** The role `engine`: worker sessions, claims, builds. */
@Module({
  imports: [ConfigurationModule, WorkersModule, ClaimingModule, BuildsModule],
  providers: [Engine],
})
export class EngineModule {}
