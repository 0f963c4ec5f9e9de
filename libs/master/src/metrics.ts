import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { ControlClient } from './control/client.js';

/** Makes the metrics of this master: of its process and of its bus. Roles add theirs. */
export function masterMetrics(control: ControlClient): Registry {
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
  return metrics;
}
