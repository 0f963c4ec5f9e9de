// A master with a role that does what the environment says, for `life.int-spec.ts`.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { OnCommand, runMaster } from '@millrace/master';

const { FIXTURE_ROLE, FIXTURE_RECONFIG, FIXTURE_STOP, FIXTURE_DRAIN_MS } = process.env;

class Role {
  async reconfig() {
    if (FIXTURE_RECONFIG === 'hang') for (;;);
    if (FIXTURE_RECONFIG === 'refuse') throw new Error('line 3 is wrong');
    return 'revision 2';
  }

  drain() {
    return new Promise((resolve) => setTimeout(resolve, Number(FIXTURE_DRAIN_MS ?? 0)));
  }

  beforeApplicationShutdown() {
    if (FIXTURE_STOP === 'hang') return new Promise(() => undefined);
    if (FIXTURE_STOP === 'throw') throw new Error('it does not want to end');
    return undefined;
  }
}
for (const kind of ['reconfig', 'drain'])
  OnCommand(kind)(Role.prototype, kind, Object.getOwnPropertyDescriptor(Role.prototype, kind));

class RoleModule {}
Module({ providers: [Role] })(RoleModule);

await runMaster({ role: FIXTURE_ROLE ?? 'scheduler', module: RoleModule });
