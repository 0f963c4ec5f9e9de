import { Inject, Injectable } from '@nestjs/common';
import type { FileStanding } from '@millrace/database';
import { messageOf } from '@millrace/domain';
import { Gauge, Registry } from 'prom-client';
import { Ambers } from './ambers.js';
import type { Logger } from './logging.js';
import { LOG } from './tokens.js';

const SHOWN_DIGITS = 12;

/** How the configuration in force on this master relates to its file. It is shown in `/readyz`, in metrics, and when it changes in the log. */
@Injectable()
export class ConfigurationStanding {
  private isReverted = false;
  private missing: string | null = null;

  constructor(
    private readonly ambers: Ambers,
    metrics: Registry,
    @Inject(LOG) private readonly log: Logger,
  ) {
    const registers = [metrics];
    const [isReverted, isMissing] = [() => this.isReverted, () => this.missing !== null];
    new Gauge({
      name: 'millrace_config_reverted',
      help: '1 while an earlier revision of the configuration is in force in place of what the file says, else 0',
      registers,
      collect() {
        this.set(isReverted() ? 1 : 0);
      },
    });
    new Gauge({
      name: 'millrace_config_revision_missing',
      help: '1 while an earlier revision should be in force that this master does not have, else 0',
      registers,
      collect() {
        this.set(isMissing() ? 1 : 0);
      },
    });
  }

  /** To be called with each configuration that is put in force. */
  inForce({ fingerprint, fileFingerprint, missing }: FileStanding & { readonly fingerprint: string }): void {
    const isReverted = fingerprint !== fileFingerprint;
    const fields = { revision: fingerprint, file: fileFingerprint };
    if (isReverted)
      this.log.warn(fields, 'an earlier revision of the configuration is in force: somebody went back to it');
    else if (this.isReverted) this.log.info(fields, 'the configuration of the file is in force again');
    this.isReverted = isReverted;
    const [shown, ofFile] = [fingerprint, fileFingerprint].map((digits) => digits.slice(0, SHOWN_DIGITS));
    const why = `revision ${shown} is in force instead of ${ofFile}, which the file has: edit the file, or run 'millrace config revert --end'`;
    this.ambers.set('configuration', isReverted ? why : null);
    this.lacks(missing);
  }

  /**
   * To be called when the master stays with what it has.
   * @param missing why it does not have the earlier revision that should be in force; null when all is well
   */
  lacks(missing: string | null): void {
    if (missing !== null && missing !== this.missing)
      this.log.error({ missing }, `somebody went back to a configuration that this master does not have: ${missing}`);
    this.missing = missing;
    this.ambers.set('earlier configuration', missing);
  }

  /** To be called when a loaded configuration could not be kept. */
  notKept(error: unknown): void {
    this.log.warn(
      { err: error },
      `the configuration could not be kept, so that nobody can go back to it: ${messageOf(error)}`,
    );
  }
}
