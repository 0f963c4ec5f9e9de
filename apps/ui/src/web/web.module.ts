import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { ReadsModule } from '../reads.module.js';
import { PagesController } from './pages.controller.js';
import { BUILT_WEB, WEB_FOLDER, WebApp } from './web-app.js';

/** The web app: its pages, its assets, and the data that it needs first. */
@Module({
  imports: [AccessModule, ReadsModule],
  controllers: [PagesController],
  providers: [WebApp, { provide: WEB_FOLDER, useValue: BUILT_WEB }],
})
export class WebModule {}
