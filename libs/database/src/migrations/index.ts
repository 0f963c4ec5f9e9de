import { FirstLight0001 } from './0001-first-light.js';
import { Resume0002 } from './0002-resume.js';
import { Fleet0003 } from './0003-fleet.js';
import { Projects0004 } from './0004-projects.js';
import { Journals0005 } from './0005-journals.js';
import { NoPasswordHashes0006 } from './0006-no-password-hashes.js';
import { FinishedInOrder0007 } from './0007-finished-in-order.js';
import { EndedCommands0008 } from './0008-ended-commands.js';
import { SourceStates0011 } from './0011-source-states.js';
import { NamesAsTheyAre0012 } from './0012-names-as-they-are.js';
import { HookDeliveries0013 } from './0013-hook-deliveries.js';
import { KeptCalls0014 } from './0014-kept-calls.js';
import { Children0015 } from './0015-children.js';
import { Locks0016 } from './0016-locks.js';
import { CollapsedRequests0017 } from './0017-collapsed-requests.js';
import { CollapseQuestions0018 } from './0018-collapse-questions.js';
import { CallbackWaits0020 } from './0020-callback-waits.js';
import { Reverts0021 } from './0021-reverts.js';
import { DeliveredBy0022 } from './0022-delivered-by.js';
import { Codebases0023 } from './0023-codebases.js';
import { Accounts0024 } from './0024-accounts.js';
import { Audit0025 } from './0025-audit.js';
import { Visibility0026 } from './0026-visibility.js';
import { Providers0028 } from './0028-providers.js';
import { RepeatedTrees0030 } from './0030-repeated-trees.js';
import { AddedSteps0031 } from './0031-added-steps.js';
import { ChangedRevisions0032 } from './0032-changed-revisions.js';
import { Records0036 } from './0036-records.js';
import { Patches0040 } from './0040-patches.js';

/** All migrations in the order in which they are run. */
export const MIGRATIONS = [
  FirstLight0001,
  Resume0002,
  Fleet0003,
  Projects0004,
  Journals0005,
  NoPasswordHashes0006,
  FinishedInOrder0007,
  EndedCommands0008,
  SourceStates0011,
  NamesAsTheyAre0012,
  HookDeliveries0013,
  KeptCalls0014,
  Children0015,
  Locks0016,
  CollapsedRequests0017,
  CollapseQuestions0018,
  CallbackWaits0020,
  Reverts0021,
  DeliveredBy0022,
  Codebases0023,
  Accounts0024,
  Audit0025,
  Visibility0026,
  Providers0028,
  RepeatedTrees0030,
  AddedSteps0031,
  ChangedRevisions0032,
  Records0036,
  Patches0040,
];
