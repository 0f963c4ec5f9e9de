import { Entity, Index } from 'typeorm';
import { Big, Id, Key, Text } from './columns.js';

/** A codebase of a project whose commits are recorded. */
@Entity('codebases')
@Index('codebases_name', ['projectId', 'name'], { unique: true })
export class CodebaseEntity {
  @Id() id: number;
  @Big() projectId: number;
  @Key(190) name: string;
  @Key(190) slug: string;
}

@Entity('codebase_branches')
@Index('codebase_branches_name', ['codebaseId', 'name'], { unique: true })
@Index('codebase_branches_codebase', ['codebaseId', 'id'])
export class CodebaseBranchEntity {
  @Id() id: number;
  @Big() codebaseId: number;
  @Key(190) name: string;
  /** The newest commit of the branch. */
  @Big() commitId: number;
  /** When the branch was seen to move, in ms since 1970. */
  @Big() movedAtMs: number;
}

/** A commit of a codebase. It may be on several branches. */
@Entity('codebase_commits')
@Index('codebase_commits_revision', ['codebaseId', 'revision'], { unique: true })
@Index('codebase_commits_codebase', ['codebaseId', 'id'])
export class CodebaseCommitEntity {
  @Id() id: number;
  @Big() codebaseId: number;
  @Key(190) revision: string;
  /** The first parent's revision, recorded or not; null when there is none, or none is known. */
  @Key(190, { nullable: true }) parentRevision: string | null;
  @Text() author: string;
  @Text({ nullable: true }) committer: string | null;
  @Text() comments: string;
  /** When the commit was made, in ms since 1970 by its committer's clock. */
  @Big() whenMs: number;
}
