// Runs the examples of tests/vectors/: what this page makes of sections 3, 12 and 13 is what they mean.
// It must not know MQTT or WebRTC. Every test returns what is wrong with an example, or nothing.

import { covers, readCertificate, readGrant, readOwnerState, Refused } from "./documents.js";
import { Unauthentic, openSealed, openSigned, sealed, signed, statement } from "./envelope.js";
import { open, seal } from "./hpke.js";
import { LineUnusable, deviceProof, readLine, unpack, viewerProof } from "./pairing.js";
import {
  KeyUnusable, decode, encode, fingerprint, isSigned, join, readSigningKey, sealingBytes, sealingKey, sign,
  signingBytes,
} from "./keys.js";

const utf8 = new TextEncoder();
const bytes = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const hex = (array) => [...array].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const asText = (array) => new TextDecoder().decode(array);
const same = (one, other) => JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));

function sorted(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])]));
}

/** Return the names of what differs between two objects. */
const differences = (found, expected) => Object.keys(expected).filter((name) => !same(found[name], expected[name]));

/** Return the class of what an action throws, empty if it returns. */
async function thrown(action) {
  try { await action(); return ""; } catch (error) { return error; }
}

const RUNS = {
  "keys.json": {
    async signing(vector) {
      const key = await readSigningKey(vector.secret);
      return differences(
        { public: key.public, public_hex: hex(signingBytes(vector.public)), fingerprint: await fingerprint(key.public) },
        { public: vector.public, public_hex: vector.public_hex, fingerprint: vector.fingerprint },
      );
    },
    async sealing(vector) {
      const key = await sealingKey(bytes(vector.secret_hex));
      return differences(
        { public: key.public, public_hex: hex(sealingBytes(vector.public)) },
        { public: vector.public, public_hex: vector.public_hex },
      );
    },
    async invalid_signing(vector) {
      return await thrown(() => signingBytes(vector.text)) instanceof KeyUnusable ? [] : ["read"];
    },
    async base64url({ hex: raw, text }) {
      return differences({ text: encode(bytes(raw)), raw: hex(decode(text)) }, { text, raw });
    },
    async base64url_invalid(text) {
      return await thrown(() => decode(text)) instanceof KeyUnusable ? [] : ["read"];
    },
  },
  "envelopes.json": {
    async statements(vector) {
      const key = await readSigningKey(vector.secret);
      const said = statement(
        vector.purpose, vector.topic, key.publicBytes, vector.recipient ? signingBytes(vector.recipient) : [],
        vector.reply_key ? sealingBytes(vector.reply_key) : [], bytes(vector.body_hex),
      );
      const signature = hex(await sign(key, said));
      const isGood = await isSigned(said, bytes(vector.signature_hex), key.publicBytes);
      return differences(
        { said: hex(said), signature, isGood },
        { said: vector.statement_hex, signature: vector.signature_hex, isGood: true },
      );
    },
    async signed(vector) {
      const key = await readSigningKey(vector.secret);
      const made = await signed(key, vector.purpose, vector.topic, utf8.encode(vector.body));
      const opened = await openSigned(bytes(vector.payload_hex), vector.topic, vector.purpose);
      return differences(
        { payload: hex(made), body: asText(opened.body), key: opened.key },
        { payload: vector.payload_hex, body: vector.body, key: vector.key },
      );
    },
    async signed_unauthentic(vector) {
      const error = await thrown(() => openSigned(bytes(vector.payload_hex), vector.topic, vector.purpose));
      return error instanceof Unauthentic ? [] : [`opened: ${error}`];
    },
    async hpke(vector) {
      const [info, associated] = [bytes(vector.info_hex), bytes(vector.associated_hex)];
      const reader = await sealingKey(bytes(vector.reader_secret_hex));
      const ephemeral = await sealingKey(bytes(vector.ephemeral_secret_hex));
      const made = await seal(reader.publicBytes, bytes(vector.plain_hex), info, ephemeral, associated);
      const opened = await open(reader, made.sealed, info, associated);
      return differences(
        { shared: hex(made.shared), key: hex(made.raw), nonce: hex(made.nonce), sealed: hex(made.sealed), plain: hex(opened) },
        {
          shared: vector.shared_secret_hex, key: vector.key_hex, nonce: vector.nonce_hex,
          sealed: vector.encapsulated_hex + vector.ciphertext_hex, plain: vector.plain_hex,
        },
      );
    },
    async sealed(vector) {
      const [key, to] = [await readSigningKey(vector.secret), await sealingKey(bytes(vector.reader_seal_secret_hex))];
      const reader = signingBytes(vector.reader);
      const opened = await openSealed(bytes(vector.payload_hex), vector.topic, to, reader);
      const ephemeral = await sealingKey(bytes(vector.ephemeral_secret_hex));
      const made = await seal(to.publicBytes, bytes(vector.plain_hex), utf8.encode(vector.info), ephemeral);
      const recipient = { key: vector.reader, sealKey: vector.reader_seal_key };
      const reply = await sealingKey(bytes(vector.reply_secret_hex));
      const ours = await sealed(key, vector.topic, utf8.encode(vector.body), recipient, reply);
      const read = ({ body, key: signer, sealKey }) => ({ body: asText(body), key: signer, seal_key: sealKey });
      return differences(
        {
          opened: read(opened), again: hex(join([2], made.sealed)), shared: hex(made.shared), key: hex(made.raw),
          nonce: hex(made.nonce), ours: read(await openSealed(ours, vector.topic, to, reader)),
        },
        {
          opened: vector.opens_as, again: vector.payload_hex, shared: vector.shared_secret_hex, key: vector.key_hex,
          nonce: vector.nonce_hex, ours: vector.opens_as,
        },
      );
    },
    async sealed_unauthentic(vector) {
      const to = await sealingKey(bytes(vector.reader_seal_secret_hex));
      const reader = signingBytes(vector.reader);
      const error = await thrown(() => openSealed(bytes(vector.payload_hex), vector.topic, to, reader));
      return error instanceof Unauthentic ? [] : [`opened: ${error}`];
    },
  },
  "documents.json": {
    async certificates(vector) {
      return differences(await readCertificate(vector.document, vector.owner, vector.namespace), vector.reads_as);
    },
    certificates_refused: (vector) => refused(vector, () => readCertificate(vector.document, vector.owner, vector.namespace)),
    async grants(vector) {
      const grant = await readGrant(vector.document, vector.owner, vector.namespace);
      const meant = Object.fromEntries(Object.keys(vector.covers).map((camera) => [camera, covers(grant, camera)]));
      return [...differences(grant, vector.reads_as), ...differences(meant, vector.covers)];
    },
    grants_refused: (vector) => refused(vector, () => readGrant(vector.document, vector.owner, vector.namespace)),
    async owner_states(vector) {
      return differences(await readOwnerState(bytes(vector.payload_hex), vector.topic, vector.owner), vector.reads_as);
    },
    owner_states_refused: (vector) => refused(
      vector, () => readOwnerState(bytes(vector.payload_hex), vector.topic, vector.owner),
    ),
  },
  "pairing.json": {
    async proofs(vector) {
      const parties = {
        namespace: vector.namespace, device: vector.device, deviceKey: vector.device_key, viewer: vector.viewer,
        viewerKey: vector.viewer_key, session: vector.session,
      };
      const secret = bytes(vector.secret_hex);
      return differences(
        { viewer: await viewerProof(secret, parties), device: await deviceProof(secret, parties, vector.re, vector.rights) },
        { viewer: vector.viewer_mac, device: vector.device_mac },
      );
    },
    async lines(vector) {
      const { secret, ...found } = await readLine(vector.line);
      const holds = secret === undefined ? found : { ...found, secret_hex: hex(secret) };
      return differences(
        { content: asText(await unpack(vector.line)), holds }, { content: vector.content, holds: vector.holds },
      );
    },
    async lines_refused(vector) {
      const error = await thrown(() => readLine(vector.line));
      return error instanceof LineUnusable ? [] : [`read: ${error}`];
    },
  },
};

async function refused(vector, action) {
  const error = await thrown(action);
  return error instanceof Refused && error.code === vector.code ? [] : [`${error} instead of ${vector.code}`];
}

/** Return what is wrong with the examples of one list of one file, each by its name. */
export async function run(file, list, vectors) {
  const check = RUNS[file]?.[list];
  if (check === undefined) return [`nobody runs ${list} of ${file}`];
  const wrong = [];
  for (const vector of vectors) {
    let found;
    try { found = await check(vector); } catch (error) { found = [String(error)]; }
    if (found.length > 0) wrong.push(`${vector.name ?? JSON.stringify(vector)}: ${found.join(", ")}`);
  }
  return wrong;
}
