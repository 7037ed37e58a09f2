// A viewer of one camera, written from docs/protocol.md alone: its connection to the broker, and who wrote what.
// It must not know the page around it, nor how the camera is made.

import { Pairing } from "./door.js";
import { Unauthentic, openSealed, openSigned, sealed } from "./envelope.js";
import { readSigningKey } from "./keys.js";
import { Malformed, UnsupportedVersion, decode } from "./messages.js";
import { Session, randomId } from "./session.js";
import { Vouching } from "./vouching.js";

const STATUS_WAIT_MS = 10_000;
const GONE_MAX_BYTES = 256;
const MESSAGE_TTL_S = 20;

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const isGone = (bytes) => {
  try { return bytes.length <= GONE_MAX_BYTES && decode(bytes).t === "gone"; } catch { return false; }
};

/** The connection to the broker and the one session over it, to watch or to pair. */
export class Viewer {
  constructor(mqtt, { url, username, password, name, namespace, identity, owner, grant, known }, device) {
    Object.assign(this, { name, namespace, device, grant: grant ?? "" });
    this.signer = readSigningKey(identity);
    this.vouching = new Vouching(owner, namespace, known);
    this.status = null;  // the last that was vouched for
    this.deviceKey = "";  // who signed it
    this.denial = null;
    this.session = null;
    this.dropped = [];
    this.arrivals = Promise.resolve();
    this.departures = Promise.resolve();
    this.firstId = randomId();  // known before the connection is, because the will names it
    this.firstStatus = new Promise((resolve) => { this.statusCame = resolve; });
    this.client = mqtt.connect(url, {
      protocolVersion: 5, clean: true, clientId: `${name}-${randomId()}`, keepalive: 15,
      username, password, reconnectPeriod: 500,
      will: { topic: this.toDevice(this.firstId), payload: '{"v":1,"t":"gone"}', qos: 1, retain: false,
        properties: { messageExpiryInterval: MESSAGE_TTL_S } },
    });
    this.client.on("error", () => {});  // mqtt.js connects again by itself
    this.client.on("message", (topic, payload, packet) => this.receive(topic, Uint8Array.from(payload), packet.retain));
  }

  toDevice(id) { return `${this.namespace}/v1/d/${this.device}/in/${this.name}/${id}`; }

  /** Subscribe, wait for a status to which an offer can be sealed, and offer. */
  async watch(options) {
    await this.arrive();
    this.session = new Session(this, { nonce: this.status?.nonce ?? "", ...options });
    await this.session.start();
    return this.session;
  }

  /** Ask to be let in with a one-time secret; return what the camera said last. */
  async pair(secret) {
    await this.arrive();
    if (this.status === null) return this.denial ?? { code: "no-key" };
    this.session = new Pairing(this, secret);
    return this.session.ask();
  }

  async arrive() {
    await this.client.subscribeAsync(this.vouching.topic, { qos: 1 });  // first, so that a revocation is known
    await this.client.subscribeAsync([
      `${this.namespace}/v1/v/${this.name}/in/+/+`, `${this.namespace}/v1/d/${this.device}/status`,
    ], { qos: 1 });
    await Promise.race([this.firstStatus, pause(STATUS_WAIT_MS)]);
  }

  /** Seal a body for the reader of a session. */
  async seal({ id, recipient, reply }, body) {
    return sealed(await this.signer, this.toDevice(id), body, recipient, reply);
  }

  /** Publish what a promise gives, after whatever was to be published before. */
  publish(id, payload) {
    const properties = { messageExpiryInterval: MESSAGE_TTL_S };
    this.departures = this.departures.then(async () => {
      await this.client.publishAsync(this.toDevice(id), await payload, { qos: 1, properties });
    }).catch(() => {});
    return this.departures;
  }

  drop(code) { this.dropped.push(code); }

  /** Take messages in their order: opening one takes time. */
  receive(topic, payload, isRetained) {
    this.arrivals = this.arrivals.then(() => this.take(topic, payload, isRetained)).catch((error) => {
      if (error instanceof Unauthentic) return this.drop("unauthentic");
      if (error instanceof Malformed) return this.drop("malformed");
      if (error instanceof UnsupportedVersion) return this.drop("unsupported-version");
      this.session?.fail("internal", String(error));
    });
  }

  async take(topic, payload, isRetained) {
    const [, , room, device, , from, id] = topic.split("/");
    if (topic === this.vouching.topic) return this.hearOwner(payload);
    if (isGone(payload)) return;  // the only message that nobody signs ends nothing
    if (room === "d") return this.takeStatus(device, topic, payload);
    if (isRetained) return this.drop("retained");
    if (from !== this.device || id !== this.session?.id) return this.drop("unknown-session");
    const { reply, recipient } = this.session;
    const { body, key } = await openSealed(payload, topic, reply, (await this.signer).publicBytes);
    if (key !== recipient.key) return this.drop("unknown-session");  // authentic, and not our camera
    this.session.receive(decode(body));
  }

  async takeStatus(device, topic, payload) {
    const { body, key } = await openSigned(payload, topic, "status");
    const message = decode(body);
    if (device !== this.device || message.t !== "status") return this.drop("unexpected");
    this.denial = await this.vouching.vouch(device, key, message.certificate);
    if (this.denial !== null) {
      this.statusCame();  // it came, and there is nothing to wait for
      return this.drop("unvouched");
    }
    if (this.status?.boot === message.boot && message.n < this.status.n) return this.drop("old-status");
    Object.assign(this, { status: message, deviceKey: key });
    this.statusCame();
    await this.session?.statusChanged();
  }

  async hearOwner(payload) {
    const refusal = await this.vouching.hear(payload);
    if (refusal !== "") return this.drop(refusal);
    if (this.status === null) return;
    this.denial = await this.vouching.vouch(this.device, this.deviceKey, this.status.certificate);
    if (this.denial !== null) this.session?.fail(this.denial.code, this.denial.text);
  }

  async close() {
    await this.session?.close();
    await this.client.endAsync();
  }
}
