import { COMMAND_NAMES, type CommandName } from '@millrace/worker-protocol';
import type { CommandFactory } from './command.js';
import { globFiles, listDirectory, makeEmptyDirectories, removeFile, statFile } from './files.js';
import { ShellCommand } from './shell.js';
import { DownloadFileCommand, UploadDirectoryCommand, UploadFileCommand } from './transfers.js';
import { CopyTreeCommand, RemoveTreesCommand } from './trees.js';

const FACTORIES: Readonly<Record<CommandName, CommandFactory>> = {
  shell: (context) => new ShellCommand(context),
  upload_file: (context) => new UploadFileCommand(context),
  upload_directory: (context) => new UploadDirectoryCommand(context),
  download_file: (context) => new DownloadFileCommand(context),
  mkdir: makeEmptyDirectories,
  rmdir: (context) => new RemoveTreesCommand(context),
  cpdir: (context) => new CopyTreeCommand(context),
  stat: statFile,
  glob: globFiles,
  listdir: listDirectory,
  rmfile: removeFile,
};

/** Returns the factory of a command; undefined for an unknown name. */
export function commandFactory(name: string): CommandFactory | undefined {
  return COMMAND_NAMES.includes(name as CommandName) ? FACTORIES[name as CommandName] : undefined;
}

/** The version of all commands, in the numbering of stock workers: 3.3 has `max_lines`. */
export const COMMAND_VERSION = '3.3';
