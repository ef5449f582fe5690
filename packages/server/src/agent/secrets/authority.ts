import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import ipaddr from 'ipaddr.js';

/** Makes certificates for hosts, which only the agents of sessions with secrets trust. */
export interface Authority {
  /** Its own certificate, as PEM. */
  certificate: string;
  /** A certificate for a host, with its key, for a TLS server. */
  contextFor(host: string): Promise<SecureContext>;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' };
const HASH = 'SHA-256';
const DAY_MS = 86_400_000;
/** It lives as long as the server process, and clocks may differ. */
const VALID_DAYS = 3_650;
/** Browsers refuse certificates of servers that are valid for more than 398 days. */
const LEAF_DAYS = 397;
/** Hosts whose certificates are kept: a session may have a pattern, and its agent any number of names that fit. */
const KEPT = 1_000;

const COMMON_NAME = '2.5.4.3';
const BASIC_CONSTRAINTS = '2.5.29.19';
const KEY_USAGE = '2.5.29.15';
const ALTERNATIVE_NAMES = '2.5.29.17';
const SUBJECT_KEY = '2.5.29.14';
const AUTHORITY_KEY = '2.5.29.35';
const EXTENDED_KEY_USAGE = '2.5.29.37';
const SERVER_AUTHENTICATION = '1.3.6.1.5.5.7.3.1';

/**
 * An authority that exists in this process only: its key is never written anywhere. Agents never outlive their server,
 * so the next start makes another.
 */
export async function createAuthority(): Promise<Authority> {
  // Loaded only where sessions have secrets.
  const [pki, asn1] = await Promise.all([import('pkijs'), import('asn1js')]);
  const { subtle } = globalThis.crypto;
  const pair = (): Promise<CryptoKeyPair> => subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const [ca, leaf] = await Promise.all([pair(), pair()]);
  const name = `Claude agent server ${randomBytes(4).toString('hex')}`;
  const leafKey = pem('PRIVATE KEY', await subtle.exportKey('pkcs8', leaf.privateKey));

  const issue = async (
    subject: string,
    publicKey: CryptoKey,
    days: number,
    extensions: InstanceType<typeof pki.Extension>[],
  ): Promise<string> => {
    const certificate = new pki.Certificate();
    certificate.version = 2;
    const serial = randomBytes(16);
    // Positive, and without a leading zero.
    serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
    certificate.serialNumber = new asn1.Integer({ valueHex: new Uint8Array(serial).buffer });
    const named = (value: string) =>
      new pki.AttributeTypeAndValue({ type: COMMON_NAME, value: new asn1.Utf8String({ value }) });
    certificate.issuer.typesAndValues.push(named(name));
    certificate.subject.typesAndValues.push(named(subject));
    certificate.notBefore.value = new Date(Date.now() - DAY_MS);
    certificate.notAfter.value = new Date(Date.now() + days * DAY_MS);
    certificate.extensions = extensions;
    await certificate.subjectPublicKeyInfo.importKey(publicKey);
    await certificate.sign(ca.privateKey, HASH);
    return pem('CERTIFICATE', certificate.toSchema(true).toBER(false));
  };

  const extension = (extnID: string, value: { toBER(): ArrayBuffer }, critical = false) =>
    new pki.Extension({ extnID, critical, extnValue: value.toBER() });
  const usage = (bits: number, unused: number) =>
    new asn1.BitString({ valueHex: new Uint8Array([bits]).buffer, unusedBits: unused });

  // Python refuses certificates that do not say whose key signed them (3.13, VERIFY_X509_STRICT).
  const keyId = new asn1.OctetString({ valueHex: new Uint8Array(randomBytes(20)).buffer });
  const certificate = await issue(name, ca.publicKey, VALID_DAYS, [
    extension(
      BASIC_CONSTRAINTS,
      new pki.BasicConstraints({ cA: true, pathLenConstraint: 0 }).toSchema(),
      true,
    ),
    // keyCertSign, cRLSign
    extension(KEY_USAGE, usage(0b0000_0110, 1), true),
    extension(SUBJECT_KEY, keyId),
  ]);

  const certify = async (host: string): Promise<SecureContext> => {
    const alternative = new pki.GeneralNames({
      names: [
        isIP(host)
          ? new pki.GeneralName({ type: 7, value: new asn1.OctetString({ valueHex: bytesOf(host) }) })
          : new pki.GeneralName({ type: 2, value: host }),
      ],
    });
    const cert = await issue(host.slice(0, 64), leaf.publicKey, LEAF_DAYS, [
      extension(BASIC_CONSTRAINTS, new pki.BasicConstraints({ cA: false }).toSchema(), true),
      // digitalSignature
      extension(KEY_USAGE, usage(0b1000_0000, 7), true),
      extension(EXTENDED_KEY_USAGE, new pki.ExtKeyUsage({ keyPurposes: [SERVER_AUTHENTICATION] }).toSchema()),
      extension(ALTERNATIVE_NAMES, alternative.toSchema()),
      extension(AUTHORITY_KEY, new pki.AuthorityKeyIdentifier({ keyIdentifier: keyId }).toSchema()),
    ]);
    return createSecureContext({ key: leafKey, cert: cert + certificate });
  };

  const known = new Map<string, Promise<SecureContext>>();
  return {
    certificate,
    contextFor(host) {
      const context = known.get(host) ?? certify(host);
      known.delete(host);
      known.set(host, context);
      const [oldest] = known.keys();
      if (known.size > KEPT && oldest !== undefined) known.delete(oldest);
      return context;
    },
  };
}

const pem = (label: string, der: ArrayBuffer): string => {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
};

/** The bytes of an address. */
function bytesOf(address: string): ArrayBuffer {
  return new Uint8Array(ipaddr.parse(address).toByteArray()).buffer;
}
