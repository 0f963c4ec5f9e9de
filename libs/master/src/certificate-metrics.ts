import { Gauge, type Registry } from 'prom-client';
import type { TlsIdentity } from './tls-identity.js';

export interface CertificateMetricsOptions {
  /** What the names of the metrics begin with. */
  readonly name: string;
  /** Who meets the certificate, for people. */
  readonly audience: string;
  readonly tls: TlsIdentity;
}

/** Adds metrics that tell whether a port has the certificate of its files, and when it expires. */
export function addCertificateMetrics(metrics: Registry, { name, audience, tls }: CertificateMetricsOptions): void {
  const registers = [metrics];
  new Gauge({
    name: `${name}_current`,
    help: '1 while the files on disk are what is used, 0 after a bad change',
    registers,
    collect() {
      this.set(tls.isCurrent ? 1 : 0);
    },
  });
  new Gauge({
    name: `${name}_expires_seconds`,
    help: `Unix time at which the certificate for ${audience} expires`,
    registers,
    collect() {
      this.set(tls.validUntilMs / 1000);
    },
  });
}
