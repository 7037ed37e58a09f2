// Pairing, section 13 of docs/protocol.md: proofs of a one-time secret, and the lines that open an account.
// It must not know how messages travel, nor who says yes.

import { KeyUnusable, decode, encode, join, signingBytes } from "./keys.js";
import { ANY, Malformed, integer, list, matching, readFields, readObject, text } from "./messages.js";

export class LineUnusable extends Error {}

const { subtle } = crypto;
const utf8 = new TextEncoder();
const SECRET_BYTES = 16;
const LINE_MAX_CHARS = 8192;
const CONTENT_MAX_BYTES = 16 * 1024;
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

const NAME = matching(/^[A-Za-z0-9_-]{1,64}$/);
const WAY = {
  name: NAME, broker: list(16, text(512)), namespace: matching(/^[A-Za-z0-9_-]{1,64}$/, "mqcam"),
  server_name: text(256, "mqcam-broker"), ca: list(4, text(4096)), username: text(4096, ""), password: text(4096, ""),
};
const LINES = {
  viewer: { ...WAY, identity: text(64, ""), owner: text(4096, ""), grant: text(4096, "") },
  pair: { ...WAY, key: text(64), secret: text(64), visitor: matching(/^[A-Za-z0-9_-]{1,64}$/, null) },
};

async function proof(secret, role, parties, more) {
  const info = utf8.encode(`mqcam/1 pairing ${role}`);
  const raw = await subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
  const bits = await subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info }, raw, 256);
  const key = await subtle.importKey("raw", bits, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const parts = [
    info, ...[parties.namespace, parties.device, parties.viewer].map((name) => utf8.encode(name)),
    signingBytes(parties.deviceKey), signingBytes(parties.viewerKey), utf8.encode(parties.session),
    ...more.map((one) => utf8.encode(one)),
  ];
  const data = join(...parts.flatMap((part) => {
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, part.length);
    return [length, part];
  }));
  return encode(new Uint8Array(await subtle.sign("HMAC", key, data)));
}

/** `parties` is { namespace, device, deviceKey, viewer, viewerKey, session }. */
export const viewerProof = (secret, parties) => proof(secret, "viewer", parties, []);
export const deviceProof = (secret, parties, re, rights) => proof(secret, "device", parties, [re, ...rights]);

/** Return what a line holds, with `t` "viewer" or "pair"; throws LineUnusable. */
export async function readLine(line) {
  try {
    const value = readObject(await unpack(line));
    if (integer(1, ANY).read(value.v) !== 1 || !Object.hasOwn(LINES, value.t)) throw new LineUnusable("of a newer kind");
    const found = readFields(LINES[value.t], value);
    if (found.broker.length === 0) throw new LineUnusable("no broker");
    const ca = found.ca.map((one) => pem(decode(one))).join("") || null;
    const password = found.password || null;
    const username = found.username || (password && found.name);
    const way = {
      namespace: found.namespace, broker: found.broker, server_name: found.server_name || null, ca, username, password,
    };
    if (value.t === "viewer") {
      const identity = found.identity ? `ed25519-secret:${found.identity}` : null;
      return { t: "viewer", name: found.name, ...way, identity, owner: found.owner || null, grant: found.grant || null };
    }
    signingBytes(found.key);
    const secret = decode(found.secret);
    if (secret.length !== SECRET_BYTES) throw new LineUnusable("a secret of the wrong length");
    return { t: "pair", camera: found.name, key: found.key, secret, visitor: found.visitor, ...way };
  } catch (error) {
    if (error instanceof Malformed || error instanceof KeyUnusable) throw new LineUnusable(error.message);
    throw error;
  }
}

export async function unpack(line) {
  if (line.length > LINE_MAX_CHARS) throw new LineUnusable("too long");
  const match = /^mqcam:([A-Z2-7]+)$/i.exec(line.replaceAll(/\s/g, ""));
  if (match === null) throw new LineUnusable("not of this scheme");
  const stream = new Blob([base32(match[1].toUpperCase())]).stream().pipeThrough(new DecompressionStream("deflate"));
  const chunks = [];
  let size = 0;
  try {
    for await (const chunk of stream) {
      size += chunk.length;
      if (size > CONTENT_MAX_BYTES) throw new LineUnusable("too big unpacked");
      chunks.push(chunk);
    }
  } catch { throw new LineUnusable("damaged"); }
  return join(...chunks);
}

function base32(letters) {
  const bytes = [];
  let [value, bits] = [0, 0];
  for (const letter of letters) {
    value = ((value << 5) | BASE32.indexOf(letter)) & 0xfff;
    bits += 5;
    if (bits >= 8) { bits -= 8; bytes.push((value >> bits) & 0xff); }
  }
  return Uint8Array.from(bytes);
}

function pem(der) {
  const lines = btoa(String.fromCharCode(...der)).match(/.{1,64}/g).join("\n");
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}
