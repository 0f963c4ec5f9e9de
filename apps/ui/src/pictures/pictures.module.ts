import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { ReadsModule } from '../reads.module.js';
import { ResourcesModule } from '../resources/resources.module.js';
import { Avatars } from './avatars.js';
import { PicturesController } from './pictures.controller.js';

/** Avatars and badges. */
@Module({
  imports: [AccessModule, ReadsModule, ResourcesModule],
  controllers: [PicturesController],
  providers: [Avatars],
})
export class PicturesModule {}
