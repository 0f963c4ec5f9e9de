import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { ResourcesModule } from '../resources/resources.module.js';
import { OpenApiController } from './openapi.controller.js';
import { RestApi } from './rest-api.js';
import { RestController } from './rest.controller.js';

/** GET requests to `/api`. */
@Module({
  imports: [AccessModule, ResourcesModule],
  controllers: [OpenApiController, RestController],
  providers: [RestApi],
})
export class RestModule {}
