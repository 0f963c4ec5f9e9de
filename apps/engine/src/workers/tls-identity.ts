import { X509Certificate } from 'node:crypto';
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { createSecureContext, type SecureContext } from 'node:tls';
import { messageOf, UserError } from '@millrace/domain';
import type { Logger } from '@millrace/master';

/** `TlsIdentity | null`: that of the workers' ports; null: they do not speak TLS. */
export const WORKERS_TLS = Symbol('WORKERS_TLS');

const LOOK_EVERY_MS = 2000;

/** Where the certificate (with its chain) and its key are. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

interface Loaded {
  readonly context: SecureContext;
  readonly validUntilMs: number;
  /** To notice that nothing has changed. */
  readonly text: string;
}

/**
 * The certificate of the workers' ports, read again when its files change. Sessions keep what they began with; a pair of files that
 * does not go together changes nothing and is looked at again when either changes.
 */
export class TlsIdentity {
  private loaded: Loaded;
  private problem: string | null = null;

  /** @throws UserError `bad-tls` */
  constructor(
    private readonly files: TlsFiles,
    private readonly log: Logger,
  ) {
    try {
      this.loaded = load(files);
    } catch (error) {
      throw new UserError('bad-tls', `the certificate for workers cannot be used: ${messageOf(error)}`, { ...files });
    }
  }

  /** For new connections. */
  get context(): SecureContext {
    return this.loaded.context;
  }

  get validUntilMs(): number {
    return this.loaded.validUntilMs;
  }

  /** The files can be used as they are. */
  get isCurrent(): boolean {
    return this.problem === null;
  }

  /** Looks at the files' times, so that replaced links count too. */
  watch(): void {
    for (const file of [this.files.certFile, this.files.keyFile]) {
      watchFile(file, { interval: LOOK_EVERY_MS, persistent: false }, this.onChange);
    }
  }

  close(): void {
    for (const file of [this.files.certFile, this.files.keyFile]) unwatchFile(file, this.onChange);
  }

  /** Takes the files as they are now, or keeps what it has. */
  reload(): void {
    try {
      const next = load(this.files);
      const isNew = next.text !== this.loaded.text;
      this.loaded = next;
      this.problem = null;
      if (isNew) {
        const validUntil = new Date(next.validUntilMs).toISOString();
        this.log.info({ ...this.files, validUntil }, 'new certificate for workers');
      }
    } catch (error) {
      this.problem = messageOf(error);
      this.log.error(
        { ...this.files, err: error },
        `the new certificate for workers cannot be used, the old one stays: ${this.problem}`,
      );
    }
  }

  private readonly onChange = (): void => this.reload();
}

function load({ certFile, keyFile }: TlsFiles): Loaded {
  const [cert, key] = [readFileSync(certFile), readFileSync(keyFile)];
  // Refuses a key of another certificate.
  const context = createSecureContext({ cert, key });
  return {
    context,
    validUntilMs: Date.parse(new X509Certificate(cert).validTo),
    text: `${cert.toString('latin1')}${key.toString('latin1')}`,
  };
}
