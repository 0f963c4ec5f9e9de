import { execFileSync } from 'node:child_process';

export interface CertificateOptions {
  readonly certFile: string;
  readonly keyFile: string;
  readonly commonName?: string;
}

/** Writes a certificate for this machine that signs itself, and its key. */
export function makeCertificate({ certFile, keyFile, commonName = 'localhost' }: CertificateOptions): void {
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
      ...['-subj', `/CN=${commonName}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
      ...['-addext', 'basicConstraints=critical,CA:TRUE', '-keyout', keyFile, '-out', certFile],
    ],
    { stdio: 'ignore' },
  );
}
