import type { Renderable, Step, StepContext, StepOptions, StepOutcome } from '@millrace/config';
import { checkRenderable, makeStep } from './make-step.js';
import { endedBecause, resultOf } from './outcome.js';

export interface FileUploadOptions extends StepOptions {
  /** Relative to `workdir`. */
  readonly workerSrc: Renderable<string>;
  /** Name within the build. A later upload of the same name replaces it. */
  readonly blobName: Renderable<string>;
  /** Default `build`. */
  readonly workdir?: Renderable<string>;
  readonly maxBytes?: number;
}

/** Makes a step that stores a file of the worker with the build. */
export function fileUpload(options: FileUploadOptions): Step {
  const run = async (step: StepContext): Promise<StepOutcome> => {
    const workerSrc = await step.renderPath(options.workerSrc);
    const blobName = await step.renderPath(options.blobName);
    const from = step.path(await step.renderPath(options.workdir ?? 'build'), workerSrc);
    step.setState(`uploading ${workerSrc}`);
    const outcome = await step.upload({ workerSrc: from, maxBytes: options.maxBytes }, blobName);
    return { result: resultOf(outcome), stateString: `uploading ${workerSrc}${endedBecause(outcome)}` };
  };
  return makeStep(fileUpload, options, {
    kind: 'upload',
    run,
    check: (reader) => {
      checkRenderable(reader, 'workerSrc', { required: true });
      checkRenderable(reader, 'blobName', { required: true });
      checkRenderable(reader, 'workdir');
      reader.number('maxBytes', { default: null, min: 1, integer: true });
    },
  });
}

export interface FileDownloadOptions extends StepOptions {
  /** Name of a file that an earlier step of this build uploaded. */
  readonly blobName?: Renderable<string>;
  /** The text itself, instead of `blobName`. */
  readonly content?: Renderable<string>;
  /** Relative to `workdir`. Missing folders are made. */
  readonly workerDest: Renderable<string>;
  /** Such as 0o644. The default is the worker's. */
  readonly mode?: number;
  /** Default `build`. */
  readonly workdir?: Renderable<string>;
}

/** Makes a step that writes a file on the worker. */
export function fileDownload(options: FileDownloadOptions): Step {
  const run = async (step: StepContext): Promise<StepOutcome> => {
    const workerDest = await step.renderPath(options.workerDest);
    const what =
      options.blobName === undefined
        ? { content: await step.render(options.content ?? '') }
        : { blob: await step.renderPath(options.blobName) };
    const to = step.path(await step.renderPath(options.workdir ?? 'build'), workerDest);
    step.setState(`downloading to ${workerDest}`);
    const outcome = await step.download(what, { workerDest: to, mode: options.mode });
    return { result: resultOf(outcome), stateString: `downloading to ${workerDest}${endedBecause(outcome)}` };
  };
  return makeStep(fileDownload, options, {
    kind: 'download',
    run,
    check: (reader) => {
      checkRenderable(reader, 'blobName');
      if (reader.raw('content') !== '') checkRenderable(reader, 'content');
      if (reader.has('blobName') === reader.has('content')) reader.problem('content', 'either content or blobName');
      checkRenderable(reader, 'workerDest', { required: true });
      checkRenderable(reader, 'workdir');
      reader.number('mode', { default: null, min: 0, integer: true });
    },
  });
}
