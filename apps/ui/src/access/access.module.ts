import { Module } from '@nestjs/common';
import { ReadsModule } from '../reads.module.js';
import { Access } from './access.js';
import { AuditLog } from './audit-log.js';
import { AuthController } from './auth.controller.js';
import { Callers } from './callers.js';
import { ClientAddresses } from '../http/client-addresses.js';
import { PolicyModule } from './policy.module.js';
import { SignIn } from './sign-in.js';

/** Who the callers are, and what they may do. */
@Module({
  imports: [ReadsModule, PolicyModule],
  controllers: [AuthController],
  providers: [Access, AuditLog, Callers, ClientAddresses, SignIn],
  exports: [Access, AuditLog, Callers, ClientAddresses, PolicyModule],
})
export class AccessModule {}
