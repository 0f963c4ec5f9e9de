import { Module } from '@nestjs/common';
import { GitPollers } from './git-pollers.js';

/** Changes of Git repositories, by polling. */
@Module({ providers: [GitPollers], exports: [GitPollers] })
export class GitModule {}
