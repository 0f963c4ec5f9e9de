import { X509Certificate } from 'node:crypto';
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { createSecureContext, type SecureContext } from 'node:tls';
import { messageOf, UserError } from '@millrace/domain';
import type { Logger } from './logging.js';

const LOOK_EVERY_MS = 2000;
const LEAST_VERSION = 'TLSv1.2';

/** Paths of the certificate (with its chain) and its key. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface TlsIdentityOptions {
  readonly files: TlsFiles;
  /** Who meets the certificate, for messages. */
  readonly audience: string;
  readonly log: Logger;
}

interface Loaded {
  readonly context: SecureContext;
  readonly validUntilMs: number;
  /** Contents of the files, to notice when nothing has changed. */
  readonly text: string;
}

/**
 * The certificate of a master's port. It is read again when its files change. Sessions keep the one they began with. A pair of files
 * that does not match changes nothing and is read again when either changes.
 */
export class TlsIdentity {
  private loaded: Loaded;
  private problem: string | null = null;

  /**
   * Reads the files.
   * @throws UserError `bad-tls`
   */
  constructor(private readonly options: TlsIdentityOptions) {
    const { files, audience } = options;
    try {
      this.loaded = load(files);
    } catch (error) {
      throw new UserError('bad-tls', `the certificate for ${audience} cannot be used: ${messageOf(error)}`, {
        ...files,
      });
    }
  }

  /** The context of new connections. */
  get context(): SecureContext {
    return this.loaded.context;
  }

  get validUntilMs(): number {
    return this.loaded.validUntilMs;
  }

  /** True when the current files can be used. */
  get isCurrent(): boolean {
    return this.problem === null;
  }

  /** Checks the files' times, so that replaced links count too. */
  watch(): void {
    for (const file of this.paths) {
      watchFile(file, { interval: LOOK_EVERY_MS, persistent: false }, this.onChange);
    }
  }

  close(): void {
    for (const file of this.paths) unwatchFile(file, this.onChange);
  }

  /** Loads the current files, or keeps the old identity when they are bad. */
  reload(): void {
    const { files, audience, log } = this.options;
    try {
      const next = load(files);
      const isNew = next.text !== this.loaded.text;
      this.loaded = next;
      this.problem = null;
      if (isNew) {
        const validUntil = new Date(next.validUntilMs).toISOString();
        log.info({ ...files, validUntil }, `new certificate for ${audience}`);
      }
    } catch (error) {
      this.problem = messageOf(error);
      log.error(
        { ...files, err: error },
        `the new certificate for ${audience} cannot be used, the old one stays: ${this.problem}`,
      );
    }
  }

  private get paths(): string[] {
    const { certFile, keyFile } = this.options.files;
    return [certFile, keyFile];
  }

  private readonly onChange = (): void => this.reload();
}

function load({ certFile, keyFile }: TlsFiles): Loaded {
  const [cert, key] = [readFileSync(certFile), readFileSync(keyFile)];
  // Throws for the key of another certificate.
  const context = createSecureContext({ cert, key, minVersion: LEAST_VERSION });
  return {
    context,
    validUntilMs: Date.parse(new X509Certificate(cert).validTo),
    text: `${cert.toString('latin1')}${key.toString('latin1')}`,
  };
}
