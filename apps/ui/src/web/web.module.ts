import { Module } from '@nestjs/common';
import { ReadsModule } from '../reads.module.js';
import { PagesController } from './pages.controller.js';
import { BUILT_WEB, WEB_FOLDER, WebApp } from './web-app.js';

/** The web app: its pages, assets, and what it needs to begin. */
@Module({
  imports: [ReadsModule],
  controllers: [PagesController],
  providers: [WebApp, { provide: WEB_FOLDER, useValue: BUILT_WEB }],
})
export class WebModule {}
