import { SetMetadata } from '@nestjs/common';
import type { DiscoveryService } from '@nestjs/core';
import type { MasterCommand } from '@millrace/database';

export type CommandKind = MasterCommand['kind'];

/**
 * Carries out a command and returns its answer. Null means that the work goes on and that the code which ends it stores the answer; until
 * then the handler is called again now and then.
 */
export type CommandHandler = (command?: MasterCommand) => Promise<string | null | void>;

const KIND = Symbol('millrace:on-command');

/**
 * Marks the method of a provider that carries out the commands of one kind that are addressed to this master. Its return value is stored in
 * the command's row.
 *
 * `reconfig` also comes by SIGHUP, without a row: its method returns what it did, or rejects when nothing was changed. The method of
 * `drain` takes nothing new and resolves when all running work is finished; the master then stops.
 */
export const OnCommand = (kind: CommandKind): MethodDecorator => SetMetadata(KIND, kind);

/**
 * Finds the methods marked with `OnCommand`.
 * @throws Error when two methods carry out the same kind
 */
export function commandHandlers(discovery: DiscoveryService): ReadonlyMap<CommandKind, CommandHandler> {
  const handlers = new Map<CommandKind, CommandHandler>();
  // An alias of another provider has the same instance.
  for (const instance of new Set(discovery.getProviders().map((provider) => provider.instance as unknown))) {
    for (const method of methodsOf(instance)) {
      const kind = Reflect.getMetadata(KIND, method) as CommandKind | undefined;
      if (kind === undefined) continue;
      if (handlers.has(kind)) throw new Error(`two methods carry out '${kind}'`);
      handlers.set(kind, method.bind(instance));
    }
  }
  return handlers;
}

/** Returns the methods of an object's class. Getters are not called. */
function methodsOf(instance: unknown): CommandHandler[] {
  if (typeof instance !== 'object' || instance === null) return [];
  const prototype = Object.getPrototypeOf(instance) as object | null;
  return Object.values(Object.getOwnPropertyDescriptors(prototype ?? {}))
    .map(({ value }) => value as unknown)
    .filter((value): value is CommandHandler => typeof value === 'function');
}
