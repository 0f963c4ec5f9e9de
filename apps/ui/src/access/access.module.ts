import { Module } from '@nestjs/common';
import { ReadsModule } from '../reads.module.js';
import { Access } from './access.js';
import { AuditLog } from './audit-log.js';
import { AuthController } from './auth.controller.js';
import { Callers } from './callers.js';
import { ClientAddresses } from '../http/client-addresses.js';
import { PolicyModule } from './policy.module.js';
import { ProviderController } from './provider.controller.js';
import { ProviderLogins } from './provider-logins.js';
import { PROVIDER_ENVIRONMENT, Providers } from './providers/providers.js';
import { SignIn } from './sign-in.js';
import { Traffic } from '../http/traffic.js';

/** Who the callers are, and what they may do. */
@Module({
  imports: [ReadsModule, PolicyModule],
  controllers: [ProviderController, AuthController],
  providers: [
    ...[Access, AuditLog, Callers, ClientAddresses, ProviderLogins, Providers, SignIn, Traffic],
    { provide: PROVIDER_ENVIRONMENT, useValue: process.env },
  ],
  exports: [Access, AuditLog, Callers, ClientAddresses, PolicyModule, Providers, SignIn, Traffic],
})
export class AccessModule {}
