import { Inject, Injectable } from '@nestjs/common';
import { addCertificateMetrics, type TlsIdentity } from '@millrace/master';
import { Counter, Gauge, Registry } from 'prom-client';
import { REFUSALS } from '../core/login-failures.js';
import { Connections } from './connections.js';
import { Refusals } from './refusals.js';
import { WorkerSessions } from './sessions.js';
import { WORKERS_TLS } from './workers-tls.js';

/** The metrics of workers and their connections. */
@Injectable()
export class ListenerMetrics {
  constructor(
    metrics: Registry,
    connections: Connections,
    refusals: Refusals,
    sessions: WorkerSessions,
    @Inject(WORKERS_TLS) tls: TlsIdentity | null,
  ) {
    addListenerMetrics(metrics, { connections, refusals, sessions, tls });
  }
}

/** The counted values of a listener. */
interface Counted {
  readonly connections: Connections;
  readonly refusals: Refusals;
  readonly sessions: WorkerSessions;
  readonly tls: TlsIdentity | null;
}

function addListenerMetrics(metrics: Registry, { connections, refusals, sessions, tls }: Counted): void {
  const registers = [metrics];
  const gauge = (name: string, help: string, value: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  };
  gauge('millrace_workers_attached', 'Workers with a session here', () => sessions.attached.size);
  new Gauge({
    name: 'millrace_worker_connections',
    help: 'Connections of workers, also those that are not logged in',
    labelNames: ['protocol'],
    registers,
    collect() {
      for (const protocol of ['pb', 'msgpack'] as const) this.set({ protocol }, connections.count(protocol));
      this.set({ protocol: 'unknown' }, connections.undecided);
    },
  });
  gauge(
    'millrace_worker_connections_max',
    'Connections of workers that there is room for; +Inf when nothing limits them',
    () => connections.limit.most,
  );
  gauge('millrace_open_files_limit', 'The limit of open files; NaN when it is not known', () =>
    Number(connections.limit.descriptors ?? NaN),
  );
  gauge('millrace_worker_attach_backlog', 'Connections of workers that were accepted and have no session yet', () =>
    Math.max(0, connections.size - sessions.attached.size),
  );
  gauge('millrace_worker_unacknowledged_bytes', 'Updates of workers that were received and are not stored yet', () => {
    let bytes = 0;
    for (const { connection } of sessions.attached.values()) bytes += connection.unacknowledgedBytes;
    return bytes;
  });
  new Counter({
    name: 'millrace_worker_attaches_total',
    help: 'Sessions of workers that began here',
    registers,
    collect() {
      this.reset();
      this.inc(sessions.attaches);
    },
  });
  new Counter({
    name: 'millrace_worker_refused_total',
    help: 'Connections that did not become sessions',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset();
      for (const reason of REFUSALS) this.inc({ reason }, refusals.total(reason));
    },
  });
  if (tls) addCertificateMetrics(metrics, { name: 'millrace_worker_tls_certificate', audience: 'workers', tls });
}
