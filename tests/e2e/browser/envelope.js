// How bodies travel, section 3 of docs/protocol.md: signed for all, or signed and sealed for one reader.
// It must not know what is in a body, nor whose key is to be believed.

import { open, seal } from "./hpke.js";
import {
  KEY_BYTES, SIGNATURE_BYTES, isSigned, join, sealingBytes, sealingText, sign, signingBytes, signingText,
} from "./keys.js";

export class Unauthentic extends Error {}

const SIGNED = 1;
const SEALED = 2;
const TAG_BYTES = 16;
const INNER_BYTES = 2 * KEY_BYTES + SIGNATURE_BYTES;
const NONE = new Uint8Array(0);
const utf8 = new TextEncoder();

const sealInfo = (topic) => utf8.encode(`mqcam/1 sealed ${topic}`);

/** The bytes that are signed: each part with its length before it. */
export function statement(purpose, topic, signer, recipient, replyKey, body) {
  const parts = [utf8.encode(`mqcam/1 ${purpose}`), utf8.encode(topic), signer, recipient, replyKey, body];
  return join(...parts.flatMap((part) => {
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, part.length);
    return [length, part];
  }));
}

export async function signed(signer, purpose, topic, body) {
  const signature = await sign(signer, statement(purpose, topic, signer.publicBytes, NONE, NONE, body));
  return join(Uint8Array.of(SIGNED), signer.publicBytes, signature, body);
}

/** Return { body, key }: what was written to all, and the key that signed it. */
export async function openSigned(payload, topic, purpose) {
  const head = 1 + KEY_BYTES + SIGNATURE_BYTES;
  if (payload.length < head || payload[0] !== SIGNED) throw new Unauthentic("not signed");
  const signer = payload.slice(1, 1 + KEY_BYTES);
  const body = payload.slice(head);
  const said = statement(purpose, topic, signer, NONE, NONE, body);
  if (!await isSigned(said, payload.slice(1 + KEY_BYTES, head), signer)) throw new Unauthentic("not signed so");
  return { body, key: signingText(signer) };
}

/** Seal for `recipient`, { key, sealKey } as words; what he replies is to be sealed to `reply`. */
export async function sealed(signer, topic, body, recipient, reply) {
  const reader = signingBytes(recipient.key);
  const said = statement("message", topic, signer.publicBytes, reader, reply.publicBytes, body);
  const plain = join(signer.publicBytes, reply.publicBytes, await sign(signer, said), body);
  const made = await seal(sealingBytes(recipient.sealKey), plain, sealInfo(topic));
  return join(Uint8Array.of(SEALED), made.sealed);
}

/** Return { body, key, sealKey }: what was written to the key `own` of `reader` (raw), and by whom. */
export async function openSealed(payload, topic, own, reader) {
  if (payload.length < 1 + KEY_BYTES + INNER_BYTES + TAG_BYTES || payload[0] !== SEALED) {
    throw new Unauthentic("not sealed");
  }
  let plain;
  try { plain = await open(own, payload.slice(1), sealInfo(topic)); } catch { throw new Unauthentic("not sealed to us"); }
  const [signer, replyKey] = [plain.slice(0, KEY_BYTES), plain.slice(KEY_BYTES, 2 * KEY_BYTES)];
  const body = plain.slice(INNER_BYTES);
  const said = statement("message", topic, signer, reader, replyKey, body);
  if (!await isSigned(said, plain.slice(2 * KEY_BYTES, INNER_BYTES), signer)) throw new Unauthentic("not signed so");
  return { body, key: signingText(signer), sealKey: sealingText(replyKey) };
}
