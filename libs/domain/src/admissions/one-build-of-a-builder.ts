import type { Admission } from './facts.js';

/** A worker builds a builder once at a time, because a builder's builds share a folder on it. */
export const oneBuildOfABuilder: Admission = ({ buildsOfBuilder }) =>
  buildsOfBuilder === 0 ? null : { reason: 'workers-busy', text: 'busy with another build of this builder' };
