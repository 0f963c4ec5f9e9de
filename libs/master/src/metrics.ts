import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import { addCertificateMetrics } from './certificate-metrics.js';
import type { ControlClient } from './control/client.js';
import type { TlsIdentity } from './tls-identity.js';

/** Makes the metrics of this master: of its process, its bus and its HTTP port. Roles add theirs. */
export function masterMetrics(control: ControlClient, tls: TlsIdentity | null): Registry {
  const metrics = new Registry();
  const registers = [metrics];
  collectDefaultMetrics({ register: metrics });
  new Gauge({
    name: 'millrace_bus_connected',
    help: '1 while the message bus is connected or switched off, 0 while it is lost',
    registers,
    collect() {
      this.set(control.state === 'connecting' ? 0 : 1);
    },
  });
  new Counter({
    name: 'millrace_bus_hints_dropped_total',
    help: 'What came by the bus and was no hint; counted once a minute',
    registers,
    collect() {
      this.reset();
      this.inc(control.droppedHints);
    },
  });
  if (tls) addCertificateMetrics(metrics, { name: 'millrace_http_tls_certificate', audience: 'browsers', tls });
  return metrics;
}
