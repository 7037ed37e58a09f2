// HPKE (RFC 9180), base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, for one message.
// It must not know what is sealed. WebCrypto's own HKDF only extracts and expands in one go, so HMAC does both.

import { KEY_BYTES, join, publicSealingKey, sealingKey } from "./keys.js";

const { subtle } = crypto;
const utf8 = new TextEncoder();
const NONE = new Uint8Array(0);
const HASH_BYTES = 32;
const VERSION = utf8.encode("HPKE-v1");
const KEM = join(utf8.encode("KEM"), Uint8Array.of(0, 0x20));
const HPKE = join(utf8.encode("HPKE"), Uint8Array.of(0, 0x20, 0, 1, 0, 1));
const BASE_MODE = Uint8Array.of(0);

async function hmac(key, data) {
  // WebCrypto refuses an empty key; to HMAC it is the same as one of zeros.
  const raw = key.length > 0 ? key : new Uint8Array(HASH_BYTES);
  const imported = await subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await subtle.sign("HMAC", imported, data));
}

const extract = (suite, salt, label, material) => hmac(salt, join(VERSION, suite, utf8.encode(label), material));

/** Nothing here is longer than one hash, so that HKDF's counter is always 1. */
async function expand(suite, secret, label, context, length) {
  const labelled = join(Uint8Array.of(0, length), VERSION, suite, utf8.encode(label), context, Uint8Array.of(1));
  return (await hmac(secret, labelled)).slice(0, length);
}

/** What both sides know once each has the other's public key; throws for one of low order. */
async function schedule(own, theirs, encapsulated, reader, info) {
  const agreed = new Uint8Array(await subtle.deriveBits({ name: "X25519", public: theirs }, own, 8 * KEY_BYTES));
  const mixed = await extract(KEM, NONE, "eae_prk", agreed);
  const shared = await expand(KEM, mixed, "shared_secret", join(encapsulated, reader), HASH_BYTES);
  const context = join(
    BASE_MODE, await extract(HPKE, NONE, "psk_id_hash", NONE), await extract(HPKE, NONE, "info_hash", info),
  );
  const secret = await extract(HPKE, shared, "secret", NONE);
  const raw = await expand(HPKE, secret, "key", context, 16);
  return {
    shared, raw, nonce: await expand(HPKE, secret, "base_nonce", context, 12),
    key: await subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]),
  };
}

/** Return { shared, raw, nonce, sealed } of a message for one reader; `ephemeral` is new unless a test names it. */
export async function seal(reader, plain, info, ephemeral = undefined, additionalData = NONE) {
  const own = ephemeral ?? await sealingKey();
  const made = await schedule(own.key, await publicSealingKey(reader), own.publicBytes, reader, info);
  const text = await subtle.encrypt({ name: "AES-GCM", iv: made.nonce, additionalData }, made.key, plain);
  return { ...made, sealed: join(own.publicBytes, new Uint8Array(text)) };
}

/** Return the message; throws whatever WebCrypto throws if it was not sealed to this key and info. */
export async function open(own, sealed, info, additionalData = NONE) {
  const encapsulated = sealed.slice(0, KEY_BYTES);
  const theirs = await publicSealingKey(encapsulated);
  const made = await schedule(own.key, theirs, encapsulated, own.publicBytes, info);
  const parameters = { name: "AES-GCM", iv: made.nonce, additionalData };
  return new Uint8Array(await subtle.decrypt(parameters, made.key, sealed.slice(KEY_BYTES)));
}
