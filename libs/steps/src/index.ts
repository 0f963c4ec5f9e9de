export { customStep } from '@millrace/config';
export { Result } from '@millrace/domain';
export { git } from './git/git.js';
export { type GitCredentials, type GitDescription, type GitStepOptions } from './git/options.js';
export { type Obfuscated } from './obfuscated.js';
export { resultOf } from './outcome.js';
export { setProperty, type SetPropertyOptions } from './set-property.js';
export { type CommandLine, type Environment, shell, type ShellStepOptions } from './shell.js';
export { fileDownload, type FileDownloadOptions, fileUpload, type FileUploadOptions } from './transfer.js';
