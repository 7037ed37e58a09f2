// Keys as words, section 3 of docs/protocol.md: Ed25519 to sign with, X25519 to be sealed to.
// It must not know what is signed.

export class KeyUnusable extends Error {}

const { subtle } = crypto;
const SIGNING = "ed25519";
const SIGNING_SECRET = "ed25519-secret";
const SEALING = "x25519";
export const KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

// WebCrypto reads raw public keys but no raw private ones: what PKCS #8 (RFC 8410) puts before the 32 bytes.
const PKCS8_HEAD = {
  Ed25519: Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20),
  X25519: Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20),
};

export const join = (...parts) => {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => { whole.set(part, at); return at + part.length; }, 0);
  return whole;
};

export const encode = (bytes) => btoa(String.fromCharCode(...bytes))
  .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

/** Return what `encode` was given; atob alone takes spellings that `encode` never makes. */
export function decode(text) {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) throw new KeyUnusable("not base64url");
  let binary;
  try { binary = atob(text.replaceAll("-", "+").replaceAll("_", "/")); } catch { throw new KeyUnusable("not base64url"); }
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  if (encode(bytes) !== text) throw new KeyUnusable("not base64url in its one form");
  return bytes;
}

function read(kind, text) {
  const match = /^([a-z0-9-]+):([A-Za-z0-9_-]{43})$/.exec(text);
  if (match === null || match[1] !== kind) throw new KeyUnusable(`not a key of ${kind}`);
  return decode(match[2]);
}

export const signingText = (bytes) => `${SIGNING}:${encode(bytes)}`;
export const signingBytes = (text) => read(SIGNING, text);
export const sealingText = (bytes) => `${SEALING}:${encode(bytes)}`;
export const sealingBytes = (text) => read(SEALING, text);

/** Six groups of four hexadecimal digits, the first 96 bits of SHA-256, for people to compare. */
export async function fingerprint(text) {
  const digest = new Uint8Array(await subtle.digest("SHA-256", signingBytes(text)));
  const digits = [...digest.slice(0, 12)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.match(/.{4}/g).join(" ");
}

async function importPrivate(name, secret, usages) {
  const key = await subtle.importKey("pkcs8", join(PKCS8_HEAD[name], secret), { name }, true, usages);
  // The public half is nowhere but in the export as JSON.
  return { key, publicBytes: decode((await subtle.exportKey("jwk", key)).x) };
}

/** Return { key, publicBytes, public } of a secret as one word. */
export async function readSigningKey(text) {
  const pair = await importPrivate("Ed25519", read(SIGNING_SECRET, text), ["sign"]);
  return { ...pair, public: signingText(pair.publicBytes) };
}

/** Return { key, publicBytes, public } of 32 secret bytes, of new ones without. */
export async function sealingKey(secret = crypto.getRandomValues(new Uint8Array(KEY_BYTES))) {
  const pair = await importPrivate("X25519", secret, ["deriveBits"]);
  return { ...pair, public: sealingText(pair.publicBytes) };
}

export const publicSealingKey = (bytes) => subtle.importKey("raw", bytes, { name: "X25519" }, true, []);

export const sign = async (signer, data) => new Uint8Array(await subtle.sign("Ed25519", signer.key, data));

export async function isSigned(data, signature, signer) {
  try {
    const key = await subtle.importKey("raw", signer, { name: "Ed25519" }, true, ["verify"]);
    return await subtle.verify("Ed25519", key, signature, data);
  } catch { return false; }  // bytes that are no key
}
