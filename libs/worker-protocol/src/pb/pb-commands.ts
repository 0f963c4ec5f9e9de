import { isObfuscated } from '../obfuscation.js';
import type { CommandName } from '../worker-connection.js';
import { MAX_BANANA_LENGTH } from './banana.js';
import { type Jelly, jellyOf, type Reference, Tuple } from './jelly.js';

/** A command in the form that PB workers take. */
export interface PbCommand {
  readonly name: string;
  readonly args: Jelly;
}

type Arguments = Readonly<Record<string, unknown>>;

/** Relative to the builder's directory. All paths are absolute, so it does not matter, but workers need the key. */
const WORKDIR = '.';

/**
 * Translates a command with its msgpack name and arguments for a PB worker (`docs/protocols.md#commands`): other names and keys, one
 * directory at a time, secrets on command lines as tuples, and `files` as the object that the worker calls to read or write. When it
 * returns several commands, they are run one after the other as long as they succeed.
 *
 * Paths stay absolute: a worker joins them to its builder's directory, and an absolute path wins there.
 */
export function pbCommands(name: CommandName, args: Arguments, files: Reference | undefined): readonly PbCommand[] {
  switch (name) {
    case 'shell':
      return [{ name, args: shellArguments(args) }];
    case 'upload_file':
      return [
        command('uploadFile', { ...transfer(args), workersrc: args['path'], writer: files }, ['keepstamp'], args),
      ];
    case 'upload_directory':
      return [
        command('uploadDirectory', { ...transfer(args), workersrc: args['path'], writer: files }, ['compress'], args),
      ];
    case 'download_file':
      return [command('downloadFile', { ...transfer(args), workerdest: args['path'], reader: files }, ['mode'], args)];
    case 'mkdir':
      return paths(args).map((dir) => command(name, { dir }));
    case 'rmdir':
      return [command(name, { dir: paths(args) }, LIMITS, args)];
    case 'cpdir':
      return [command(name, { fromdir: args['from_path'], todir: args['to_path'] }, LIMITS, args)];
    case 'stat':
      return [command(name, { file: args['path'], workdir: WORKDIR })];
    case 'listdir':
      return [command(name, { dir: args['path'] })];
    default:
      return [{ name, args: jellyOf(args) }];
  }
}

const LIMITS = ['timeout', 'maxTime', 'logEnviron'];

/** Returns a command with `args`, and with the keys of `kept` that are in `given`. */
function command(name: string, args: Arguments, kept: readonly string[] = [], given: Arguments = {}): PbCommand {
  const also = Object.fromEntries(kept.map((key) => [key, given[key]]));
  return { name, args: jellyOf({ ...args, ...also }) };
}

function paths(args: Arguments): readonly unknown[] {
  const { paths: list } = args;
  return Array.isArray(list) ? list : [list];
}

/** Returns the arguments of a transfer, with the block size cut to what workers can send and take (`docs/protocols.md#files-over-pb`). */
function transfer(args: Arguments): Arguments {
  return {
    workdir: WORKDIR,
    maxsize: args['maxsize'] ?? null,
    blocksize: Math.min(Number(args['blocksize'] ?? MAX_BANANA_LENGTH), MAX_BANANA_LENGTH),
  };
}

function shellArguments(args: Arguments): Jelly {
  const { command: line, env, logEnviron } = args;
  const variables = typeof env === 'object' && env !== null ? Object.entries(env) : [];
  const hasSecret = variables.some(([, value]) => isObfuscated(value));
  return jellyOf({
    ...args,
    command: Array.isArray(line) ? line.map(hidden) : line,
    env: Object.fromEntries(
      variables.map(([name, value]: [string, unknown]) => [name, isObfuscated(value) ? value.value : value]),
    ),
    // The worker cannot obfuscate secrets in the environment, so it must not print its environment.
    logEnviron: logEnviron === undefined || logEnviron === null ? !hasSecret : Boolean(logEnviron) && !hasSecret,
  });
}

function hidden(item: unknown): unknown {
  return isObfuscated(item) ? new Tuple(['obfuscated', item.value, item.obfuscated]) : item;
}
