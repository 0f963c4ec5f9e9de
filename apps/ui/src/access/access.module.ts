import { Module } from '@nestjs/common';
import { ReadsModule } from '../reads.module.js';
import { Access } from './access.js';
import { AccessPolicy } from './access-policy.js';
import { AuditLog } from './audit-log.js';
import { AuthController } from './auth.controller.js';
import { Callers } from './callers.js';
import { ClientAddresses } from '../http/client-addresses.js';
import { SignIn } from './sign-in.js';

/** Who the callers are, and what they may do. */
@Module({
  imports: [ReadsModule],
  controllers: [AuthController],
  providers: [Access, AccessPolicy, AuditLog, Callers, ClientAddresses, SignIn],
  exports: [Access, AccessPolicy, AuditLog, Callers, ClientAddresses],
})
export class AccessModule {}
