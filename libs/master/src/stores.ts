import type { FactoryProvider, Type } from '@nestjs/common';
import {
  AdoptionStore,
  ApiTokenStore,
  AuditStore,
  ChangeSourceStore,
  ChoiceStore,
  ClaimStore,
  CollapseQuestionStore,
  CommandStore,
  ConfigurationStore,
  BuildActionStore,
  type Database,
  DeliveryStore,
  FinishedBuildsetStore,
  FleetStore,
  HookDeliveryStore,
  IntakeStore,
  LockStore,
  MasterStore,
  OwnershipStore,
  RevertStore,
  SchedulerStore,
  ServiceStore,
  SessionStore,
  TriggerStore,
  UserStore,
  WorkerActionStore,
  WorkerStore,
  WorkerTokenStore,
} from '@millrace/database';
import { DATABASE } from './tokens.js';

/** Returns the provider of a class whose constructor takes the database alone: a store, or the reads of pages. */
export function madeOfDatabase<T>(MadeOf: new (db: Database) => T): FactoryProvider<T> {
  return { provide: MadeOf as Type<T>, useFactory: (db: Database) => new MadeOf(db), inject: [DATABASE] };
}

/** All stores, which do all writes of every role. */
export const STORES: readonly FactoryProvider[] = [
  AdoptionStore,
  ApiTokenStore,
  AuditStore,
  ChangeSourceStore,
  ChoiceStore,
  ClaimStore,
  CollapseQuestionStore,
  CommandStore,
  ConfigurationStore,
  BuildActionStore,
  DeliveryStore,
  FinishedBuildsetStore,
  FleetStore,
  HookDeliveryStore,
  IntakeStore,
  LockStore,
  MasterStore,
  OwnershipStore,
  RevertStore,
  SchedulerStore,
  ServiceStore,
  SessionStore,
  TriggerStore,
  UserStore,
  WorkerActionStore,
  WorkerStore,
  WorkerTokenStore,
].map((Store: new (db: Database) => unknown) => madeOfDatabase(Store));
