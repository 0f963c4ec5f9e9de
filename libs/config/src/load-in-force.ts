import { messageOf } from '@millrace/domain';
import { ConfigHost, type ConfigHostOptions } from './host.js';
import type { KeptRevisions } from './kept-revisions.js';

export interface LoadInForceOptions extends ConfigHostOptions {
  readonly kept: KeptRevisions;
  /** Returns the fingerprint of the revision that is to be in force while the file has this one. It may be the same. */
  readonly inForceFor: (fileFingerprint: string) => Promise<string>;
  /** Called when the loaded configuration could not be kept. It is in force all the same. */
  readonly onNotKept: (error: unknown) => void;
}

/** A configuration that is to be in force, and how it relates to the file. */
export interface InForce {
  readonly host: ConfigHost;
  readonly fileFingerprint: string;
  /** Why the host has the file's configuration, and not the earlier revision that should be in force; null when all is well. */
  readonly missing: string | null;
}

/**
 * Loads a configuration file, and then the earlier revision that is to be in force in its place, if there is one and it can be loaded.
 * @throws ConfigError `bad-config` when the file is bad
 */
export async function loadInForce(file: string, options: LoadInForceOptions): Promise<InForce> {
  const { kept, inForceFor, onNotKept } = options;
  const ofFile = await ConfigHost.start(file, options);
  try {
    const fileFingerprint = ofFile.fingerprint;
    await kept.keep(fileFingerprint, ofFile.snapshot).catch(onNotKept);
    const wanted = await inForceFor(fileFingerprint);
    if (wanted === fileFingerprint) return { host: ofFile, fileFingerprint, missing: null };
    const earlier = await loadKept(file, wanted, options);
    if (typeof earlier === 'string') return { host: ofFile, fileFingerprint, missing: earlier };
    await kept.keep(wanted, earlier.snapshot).catch(onNotKept);
    await ofFile.close();
    return { host: earlier, fileFingerprint, missing: null };
  } catch (error) {
    await ofFile.close();
    throw error;
  }
}

/** Loads a kept revision. Returns why when that is not possible. */
async function loadKept(file: string, fingerprint: string, options: LoadInForceOptions): Promise<ConfigHost | string> {
  const name = `revision ${fingerprint.slice(0, 12)}`;
  try {
    const snapshot = await options.kept.read(fingerprint);
    if (!snapshot) return `${name} is not kept on this machine`;
    const host = await ConfigHost.start(file, options, snapshot);
    if (host.fingerprint === fingerprint) return host;
    await host.close();
    return `${name} comes out differently today: the environment, a package, a file that is read, or the release has changed`;
  } catch (error) {
    return `${name} cannot be loaded: ${messageOf(error)}`;
  }
}
