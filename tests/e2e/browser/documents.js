// What an owner signs, section 12 of docs/protocol.md: certificates, grants and the owner's state.
// It must not know what follows from them.

import { Unauthentic, openSigned, statement } from "./envelope.js";
import { KeyUnusable, decode, isSigned, signingBytes } from "./keys.js";
import { Malformed, ANY, integer, list, matching, readObject, readFields, text } from "./messages.js";

export class Refused extends Error {
  constructor(code) { super(code); this.code = code; }
}

const DOCUMENT_MAX_CHARS = 4096;
const STATE_MAX_BYTES = 60_000;
const PATTERN = /^[A-Za-z0-9_*?-]{1,64}$/;
const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const SERIAL = matching(/^[A-Za-z0-9_-]{8}$/);
const SECOND = integer(0, 253_402_300_799, null);
const NONE = new Uint8Array(0);

const CERTIFICATE = { name: text(64), key: text(64), serial: SERIAL };
const GRANT = { ...CERTIFICATE, cameras: list(64, text(64)), rights: list(16, text(32)), expires: SECOND };
const STATE = {
  number: integer(0, ANY), revoked: list(4096, SERIAL), brokers: list(16, text(512)), ca: text(16_000, ""),
};

export const readCertificate = (given, owner, namespace) => read(given, owner, namespace, "certificate", "d", CERTIFICATE);
export const readGrant = (given, owner, namespace) => read(given, owner, namespace, "grant", "v", GRANT);

/** Tell whether a grant is for a camera: * stands for any characters, ? for one. */
export function covers(grant, camera) {
  return grant.cameras.filter((pattern) => PATTERN.test(pattern)).some((pattern) => {
    const source = pattern.replaceAll("*", ".*").replaceAll("?", ".");
    return new RegExp(`^${source}$`).test(camera);
  });
}

async function read(given, owner, namespace, kind, room, fields) {
  if (given.length > DOCUMENT_MAX_CHARS) throw new Refused("too-large");
  const { body, signature, value } = malformedIfNot(() => {
    const [first, ...rest] = given.split(".");
    const bytes = { body: decode(first), signature: decode(rest.join(".")) };
    const found = readObject(bytes.body);
    if (found.v !== 1 || found.t !== kind) throw new Malformed("of another kind or version");
    return { ...bytes, value: readFields(fields, found) };
  });
  if (!NAME.test(value.name)) throw new Refused("malformed");
  const holder = malformedIfNot(() => signingBytes(value.key));
  const place = `${namespace}/v1/${room}/${value.name}`;
  const by = signingBytes(owner);
  const said = statement(kind, place, by, holder, NONE, body);
  if (!await isSigned(said, signature, by)) throw new Refused("not-signed");
  return value;
}

export async function readOwnerState(payload, topic, owner) {
  if (payload.length > STATE_MAX_BYTES) throw new Refused("too-large");
  let opened;
  try { opened = await openSigned(payload, topic, "owner-state"); } catch (error) {
    if (error instanceof Unauthentic) throw new Refused("not-signed");
    throw error;
  }
  if (opened.key !== owner) throw new Refused("not-signed");
  return malformedIfNot(() => {
    const found = readObject(opened.body);
    if (found.v !== 1) throw new Malformed("of another version");
    return readFields(STATE, found);
  });
}

function malformedIfNot(action) {
  try { return action(); } catch (error) {
    if (error instanceof Malformed || error instanceof KeyUnusable) throw new Refused("malformed");
    throw error;
  }
}
