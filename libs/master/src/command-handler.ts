import type { MasterCommand } from '@millrace/database';

/** Null: it is under way, and whoever ends what it is about answers it; until then the handler is called again now and then. */
export type CommandHandler = (command: MasterCommand) => Promise<string | null>;
export type CommandHandlers = Map<MasterCommand['kind'], CommandHandler>;
