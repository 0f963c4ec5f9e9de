import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { makeCertificate } from './certificate.js';
import { freePort } from './free-port.js';
import { type Service, ServiceProcess, temporaryFolder } from './service-process.js';

/** A directory of people, `uid=NAME,ou=people,dc=example,dc=org`, and their groups. */
export interface Slapd extends Service {
  /** The address where it is encrypted from the beginning. */
  readonly secureUrl: string;
  /** A file with the certificate that signed its own. */
  readonly caFile: string;
  /** An account that may read everything. */
  readonly reader: { readonly dn: string; readonly password: string };
}

export interface LdapPerson {
  readonly uid: string;
  readonly password: string;
  readonly cn?: string;
  readonly mail?: string;
  readonly groups?: readonly string[];
}

const SUFFIX = 'dc=example,dc=org';
const READER = { dn: `cn=reader,${SUFFIX}`, password: 'of-the-reader' };
const SERVER_PATH = `${process.env['PATH'] ?? ''}:/usr/sbin`;

/** Starts OpenLDAP's slapd with people in it. */
export async function startSlapd(people: readonly LdapPerson[]): Promise<Slapd> {
  const [port, securePort, folder] = [await freePort(), await freePort(), await temporaryFolder('slapd')];
  const file = (name: string): string => join(folder, name);
  mkdirSync(file('db'));
  makeCertificate({ certFile: file('cert.pem'), keyFile: file('key.pem') });
  writeFileSync(file('slapd.conf'), configurationOf(folder));
  writeFileSync(file('people.ldif'), entriesOf(people).map(ldifOf).join('\n'));
  execFileSync('slapadd', ['-q', '-f', file('slapd.conf'), '-l', file('people.ldif')], {
    ...{ stdio: 'pipe', env: { PATH: SERVER_PATH } },
  });
  const [url, secureUrl] = [`ldap://localhost:${port}`, `ldaps://localhost:${securePort}`];
  const listeners = `ldap://127.0.0.1:${port}/ ldaps://127.0.0.1:${securePort}/`;
  const service = await ServiceProcess.start({
    ...{ name: 'slapd', port, url, folder, command: 'slapd' },
    args: ['-d', '0', '-f', file('slapd.conf'), '-h', listeners],
    probe: async () => {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      socket.destroy();
    },
  });
  return Object.assign(service, { secureUrl, caFile: file('cert.pem'), reader: READER });
}

function configurationOf(folder: string): string {
  return `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile ${folder}/cert.pem
TLSCertificateKeyFile ${folder}/key.pem
database mdb
suffix "${SUFFIX}"
directory ${folder}/db
maxsize 16777216
access to attrs=userPassword by anonymous auth by * none
access to * by users read by anonymous auth
`;
}

type LdapEntry = readonly (readonly [attribute: string, value: string])[];

function entriesOf(people: readonly LdapPerson[]): readonly LdapEntry[] {
  const dnOf = ({ uid }: LdapPerson): string => `uid=${uid.replace(/["#+,;<=>\\]/g, '\\$&')},ou=people,${SUFFIX}`;
  const unit = (ou: string): LdapEntry => [
    ['dn', `ou=${ou},${SUFFIX}`],
    ['objectClass', 'organizationalUnit'],
    ['ou', ou],
  ];
  const groups = new Set(people.flatMap((person) => person.groups ?? []));
  return [
    [
      ['dn', SUFFIX],
      ['objectClass', 'dcObject'],
      ['objectClass', 'organization'],
      ['dc', 'example'],
      ['o', 'Example'],
    ],
    [
      ['dn', READER.dn],
      ['objectClass', 'organizationalRole'],
      ['objectClass', 'simpleSecurityObject'],
      ['cn', 'reader'],
      ['userPassword', READER.password],
    ],
    ...['people', 'groups'].map(unit),
    ...people.map((person): LdapEntry => [
      ['dn', dnOf(person)],
      ['objectClass', 'inetOrgPerson'],
      ['uid', person.uid],
      ['cn', person.cn ?? person.uid],
      ['sn', person.uid],
      ...(person.mail === undefined ? [] : [['mail', person.mail] as const]),
      ['userPassword', person.password],
    ]),
    ...[...groups].map((group): LdapEntry => [
      ['dn', `cn=${group},ou=groups,${SUFFIX}`],
      ['objectClass', 'groupOfNames'],
      ['cn', group],
      ...people.filter((person) => person.groups?.includes(group)).map((person) => ['member', dnOf(person)] as const),
    ]),
  ];
}

/** Writes an entry with its values in base64, so that no character means anything. */
function ldifOf(entry: LdapEntry): string {
  return entry.map(([attribute, value]) => `${attribute}:: ${Buffer.from(value).toString('base64')}\n`).join('');
}
