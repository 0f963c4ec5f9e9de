import { Injectable } from '@nestjs/common';
import type { CompiledHook, CompiledWww } from '@millrace/contracts';
import { OperationalError } from '@millrace/domain';
import { ConfiguredHooks } from '@millrace/master/hooks';
import { SchedulerConfiguration } from '../configuration/scheduler-configuration.js';

/** The hooks of the configuration that this scheduler has loaded. */
@Injectable()
export class SchedulerHooks extends ConfiguredHooks {
  constructor(private readonly configuration: SchedulerConfiguration) {
    super();
  }

  async all(): Promise<readonly CompiledHook[]> {
    return this.configuration.current.config.hooks;
  }

  async www(): Promise<CompiledWww> {
    return this.configuration.current.config.www ?? {};
  }

  /** The metrics of a scheduler are at a port for those who run it. */
  async countedAs({ name }: CompiledHook): Promise<string> {
    return name;
  }

  secretOf({ name }: CompiledHook): string {
    const secret = this.configuration.current.host.hookSecrets.get(name);
    if (secret !== undefined) return secret;
    // The hook was found before a reconfiguration, and is not in the new configuration.
    throw new OperationalError('no-secret', `hook '${name}' has just been removed: send the delivery again later`);
  }
}
