import type { Admission } from './facts.js';

/** The builds of a builder share a folder on a worker: one at a time. */
export const oneBuildOfABuilder: Admission = ({ buildsOfBuilder }) =>
  buildsOfBuilder === 0 ? null : { reason: 'workers-busy', text: 'busy with another build of this builder' };
