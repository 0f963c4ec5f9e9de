import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const RECORDED = resolve(import.meta.dirname, '../../config/test/hooks');

export interface HookDelivery {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const hmac = (secret: string, body: string): string => createHmac('sha256', secret).update(body).digest('hex');

/** How each forge proves that it knows the secret. */
const PROOFS: Readonly<Record<string, (secret: string, body: string) => Record<string, string>>> = {
  github: (secret, body) => ({ 'x-hub-signature-256': `sha256=${hmac(secret, body)}` }),
  gitlab: (secret) => ({ 'x-gitlab-token': secret }),
  gitea: (secret, body) => ({ 'x-gitea-signature': hmac(secret, body) }),
  bitbucket: (secret, body) => ({ 'x-hub-signature': `sha256=${hmac(secret, body)}` }),
  bitbucketserver: (secret, body) => ({ 'x-hub-signature': `sha256=${hmac(secret, body)}` }),
};

/** The forges of which there are deliveries. */
export const FORGES: readonly string[] = Object.keys(PROOFS);

/** Returns a delivery as the forge sends it. Its payload is in `libs/config/test/hooks/DIALECT/NAME.json`. */
export function hookDelivery(dialect: string, name: string, secret: string): HookDelivery {
  const recorded = JSON.parse(readFileSync(resolve(RECORDED, dialect, `${name}.json`), 'utf8')) as {
    readonly headers: Readonly<Record<string, string>>;
    readonly body: unknown;
  };
  const body = JSON.stringify(recorded.body);
  return { headers: { ...recorded.headers, ...PROOFS[dialect]!(secret, body) }, body };
}
