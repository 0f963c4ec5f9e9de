import { join } from 'node:path';
import { Module } from '@nestjs/common';
import { type EngineSettings, SETTINGS } from '@millrace/master';
import { FolderBlobs } from './folder-blobs.js';

/** `Blobs` */
export const BLOBS = Symbol('BLOBS');

/** Stores the files of builds. */
@Module({
  providers: [
    {
      provide: BLOBS,
      useFactory: ({ dataFolder }: EngineSettings) => new FolderBlobs(join(dataFolder, 'blobs')),
      inject: [SETTINGS],
    },
  ],
  exports: [BLOBS],
})
export class BlobsModule {}
