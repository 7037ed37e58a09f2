// The bodies of docs/protocol.md, sections 4 and 5: read strictly, with every default filled in.
// It must not know MQTT or WebRTC.

export const VERSION = 1;
export const BODY_MAX_BYTES = 16_000;

export class Malformed extends Error {}
export class UnsupportedVersion extends Error {}

const utf8 = new TextDecoder("utf-8", { fatal: true });

const refuse = (why) => { throw new Malformed(why); };

export const text = (limit, fallback) => ({ fallback, read(value) {
  if (typeof value !== "string" || !value.isWellFormed()) refuse("not a text");
  return [...value].length <= limit ? value : refuse("too long");
} });

/** Text for people: one line, with a space for each character that cannot be printed. */
const prose = { fallback: "", read(value) {
  return text(512).read(value).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, " ");
} };

export const matching = (pattern, fallback) => ({ fallback, read(value) {
  return typeof value === "string" && pattern.test(value) ? value : refuse("not of the form");
} });

export const integer = (low, high, fallback) => ({ fallback, read(value) {
  return Number.isSafeInteger(value) && value >= low && value <= high ? value : refuse("no integer in range");
} });

const choice = (choices, fallback) => ({ fallback, read(value) {
  return choices.includes(value) ? value : refuse("none of the choices");
} });

const number = (low, high, fallback) => ({ fallback, read(value) {
  return typeof value === "number" && value >= low && value <= high ? value : refuse("no number in range");
} });

const truth = (fallback) => ({ fallback, read(value) {
  return typeof value === "boolean" ? value : refuse("neither true nor false");
} });

export const list = (limit, item) => ({ fallback: [], read(value) {
  if (!Array.isArray(value) || value.length > limit) refuse("no list, or too long");
  return value.map((one) => item.read(one));
} });

const record = (fields, fallback) => ({ fallback, read(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) refuse("no object");
  return readFields(fields, value);
} });

const WORD = /^[a-z0-9-]{1,64}$/;
const HASH = /^[A-Za-z0-9_-]{43}$/;
const NONCE = /^[A-Za-z0-9_-]{0,64}$/;
export const ANY = Number.MAX_SAFE_INTEGER;

const n = integer(0, ANY);
const SIDE = integer(1, 16_384, null);

const CAPTURE = {
  state: matching(WORD), width: SIDE, height: SIDE,
  fps_min: number(0, 1000, null), fps_max: number(0, 1000, null),
  rotation: choice([0, 90, 180, 270], null), text: prose,
};
const WANT = {
  width: SIDE, height: SIDE, fps: number(0, 1000, null),
  bitrate_bps: integer(1, 1e9, null), layer: text(64, null),
};
const ICE_SERVER = { urls: list(8, text(512)), username: text(512, ""), credential: text(1024, "") };
const MEDIA_CLOCK = { rtp_timestamp: integer(0, 2 ** 32 - 1), captured_us: integer(0, ANY) };

const FIELDS = {
  status: {
    n, state: matching(WORD), boot: text(64), nonce: matching(NONCE), certificate: text(4096, ""),
    seal_key: text(512, ""), capabilities: list(32, text(64)),
    capture: record(CAPTURE, { state: "stopped" }),
    clock: record({ synchronised: truth(false) }, { synchronised: false }),
    since: integer(0, 253_402_300_799, null),
  },
  offer: {
    n: integer(0, 0), nonce: matching(NONCE, ""), grant: text(4096, ""), want: record(WANT, {}),
    replaces: matching(NONCE, ""), sdp: text(16_000),
  },
  answer: {
    n: integer(0, 0), re: matching(HASH), ice_servers: list(8, record(ICE_SERVER)),
    clock: record(MEDIA_CLOCK, null), sdp: text(16_000),
  },
  cand: { n, ufrag: text(256, ""), candidates: list(32, text(512)), end: truth(false) },
  bye: { n, reason: matching(WORD), text: prose },
  error: {
    n, code: matching(WORD), text: prose, re: matching(HASH, ""),
    nonce: matching(NONCE, ""), speaks: integer(1, ANY, null), received: integer(1, ANY, null),
  },
  pair: { n: integer(0, 0), mac: matching(HASH) },
  paired: { n, re: matching(HASH), mac: matching(HASH), rights: list(16, text(64)) },
  gone: {},
};

/** Return the message in a body of bytes; raise Malformed or UnsupportedVersion. */
export function decode(bytes) {
  const value = readObject(bytes);
  const v = integer(1, ANY).read(value.v);
  if (v > VERSION) throw new UnsupportedVersion(`version ${v}`);
  if (typeof value.t !== "string" || !Object.hasOwn(FIELDS, value.t)) refuse("unknown kind");
  return { v, t: value.t, ...readFields(FIELDS[value.t], value) };
}

/** Return the JSON object in a body of bytes; raise Malformed. */
export function readObject(bytes) {
  let value;
  try { value = JSON.parse(utf8.decode(bytes)); } catch (error) { refuse(String(error)); }
  if (value === null || typeof value !== "object" || Array.isArray(value)) refuse("no object");
  return value;
}

/** Return what the fields say of an object, with every default filled in. */
export function readFields(fields, value) {
  const message = {};
  for (const [name, field] of Object.entries(fields)) {
    const given = Object.hasOwn(value, name) ? value[name] : null;
    if (given === null && field.fallback === undefined) refuse(`${name} is missing`);
    message[name] = given === null ? structuredClone(field.fallback) : field.read(given);
  }
  return message;
}
