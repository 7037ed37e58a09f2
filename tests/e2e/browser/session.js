// One attempt to see a camera: the rules of sections 7 and 8 of docs/protocol.md.
// It must not know how payloads are carried, nor whose camera it is.

import { encode, sealingKey } from "./keys.js";
import { BODY_MAX_BYTES, VERSION } from "./messages.js";

const RESEND_MS = [3000, 7000];
const GIVE_UP_MS = 10_000;
const CONNECT_MS = 10_000;
const SILENCE_MS = 8000;
const SILENCE_POLL_MS = 500;
const BATCH_MS = 20;
const STALE_RETRIES = 2;
const CANDIDATES_PER_MESSAGE = 32;
const CANDIDATES_PER_SESSION = 128;
const HELD_MESSAGES = 32;
const BYE_WAIT_MS = 1000;

const utf8 = new TextEncoder();
const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** Return SHA-256 of a body as it stands in `re`. */
export const hash = async (bytes) => encode(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));

/** Return 16 random bytes as a session id, or whatever else nobody may guess. */
export const randomId = () => encode(crypto.getRandomValues(new Uint8Array(16)));

/** new, offered, answered, connected, ended. */
export class Session {
  constructor(viewer, { nonce, onTrack, replaces = "" }) {
    Object.assign(this, { viewer, nonce, replaces, state: "new", retries: 0, found: [], held: [] });
    this.outcome = new Promise((resolve) => { this.connected = resolve; });
    this.ending = new Promise((resolve) => { this.ended = resolve; });
    this.timers = new Set();
    this.arrivals = Promise.resolve();
    // Without max-bundle Chromium gathers for each section: half of it for a transport that never is.
    this.peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.peer.addTransceiver("video", { direction: "recvonly" });
    this.peer.createDataChannel("mqcam", { negotiated: true, id: 0 });
    this.peer.ontrack = ({ track }) => onTrack(track);
    this.peer.onicecandidate = ({ candidate }) => this.find(candidate);
    this.peer.onconnectionstatechange = () => this.peerChanged();
  }

  async start() {
    this.createdAt = performance.now();
    await this.peer.setLocalDescription();
    this.sdp = this.peer.localDescription.sdp;
    this.ufrag = /^a=ice-ufrag:(\S+)/m.exec(this.sdp)[1];
    this.later(GIVE_UP_MS, () => { if (this.state === "offered") this.fail("no-answer"); });
    await this.offer(this.viewer.firstId);
  }

  async offer(id) {
    const { status, deviceKey, denial } = this.viewer;
    if (status === null) return this.end(denial?.code ?? "no-key", denial?.text);
    const body = utf8.encode(JSON.stringify({
      v: VERSION, t: "offer", n: 0, nonce: this.nonce, replaces: this.replaces, grant: this.viewer.grant, sdp: this.sdp,
    }));
    if (body.length > BODY_MAX_BYTES) return this.end("too-large");
    const [re, reply] = [await hash(body), await sealingKey()];
    const recipient = { key: deviceKey, sealKey: status.seal_key };
    Object.assign(this, { id, re, reply, recipient, nextN: 1, highestN: -1, unsent: [...this.found] });
    this.state = "offered";
    this.offeredAt ??= performance.now();
    const payload = this.viewer.seal(this, body);
    this.viewer.publish(id, payload);
    for (const ms of RESEND_MS) {
      this.later(ms, () => {
        if (this.state === "offered" && this.id === id) this.viewer.publish(id, payload);
      });
    }
    this.flush();
  }

  /** A camera that was started again cannot read what was sealed to the key that it had before. */
  async statusChanged() {
    const { nonce, seal_key: sealKey } = this.viewer.status;
    if (this.state !== "offered" || this.recipient.sealKey === sealKey || this.retries === STALE_RETRIES) return;
    await this.offerAgain(nonce);
  }

  async offerAgain(nonce) {
    this.retries += 1;
    this.held = [];
    this.nonce = nonce;
    await this.offer(randomId());
  }

  send(message) {
    if (this.id === undefined) return Promise.resolve();  // nothing was offered, so there is nobody to tell
    const body = utf8.encode(JSON.stringify({ v: VERSION, n: this.nextN++, ...message }));
    return this.viewer.publish(this.id, this.viewer.seal(this, body));
  }

  /** Keep a candidate of ours, null for the end, and send it with those of the next moment. */
  find(candidate) {
    if (candidate?.candidate === "" || this.found.length > CANDIDATES_PER_SESSION) return;
    this.found.push(candidate?.candidate ?? null);
    if (this.state === "new" || this.state === "ended") return;
    this.unsent.push(this.found.at(-1));
    if (this.unsent.length === 1) this.later(BATCH_MS, () => this.flush());
  }

  flush() {
    while (this.unsent.length > 0) {
      const batch = this.unsent.splice(0, CANDIDATES_PER_MESSAGE);
      const candidates = batch.filter((one) => one !== null);
      this.send({ t: "cand", ufrag: this.ufrag, candidates, end: batch.includes(null) });
    }
  }

  /** Take a message in its turn: what WebRTC does with one takes time. */
  receive(message) {
    const { id } = this;
    this.arrivals = this.arrivals.then(() => this.take(message, id)).catch((error) => {
      this.fail("internal", String(error));
    });
  }

  async take(message, id) {
    if (this.state === "ended") return this.viewer.drop("after-close");
    if (id !== this.id) return this.viewer.drop("unknown-session");
    if (message.t === "answer") return this.accept(message);
    if (message.t === "error" && message.re && message.re !== this.re) return this.viewer.drop("wrong-re");
    if (message.n <= this.highestN) return this.viewer.drop("repeated");
    this.highestN = message.n;
    if (message.t === "cand") return this.hear(message);
    if (message.t === "bye") return this.end(message.reason, message.text, true);
    if (message.t !== "error") return this.viewer.drop("unexpected");
    if (message.code !== "stale-nonce" || this.state !== "offered" || this.retries === STALE_RETRIES) {
      return this.end(message.code, message.text, true);
    }
    await this.offerAgain(message.nonce);
  }

  async accept(answer) {
    if (answer.re !== this.re) return this.viewer.drop("wrong-re");
    if (this.state !== "offered") return;
    this.state = "answered";
    this.highestN = Math.max(this.highestN, answer.n);
    this.later(CONNECT_MS, () => { if (this.state === "answered") this.fail("connect-timeout"); });
    await this.peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    for (const message of this.held.splice(0)) await this.hear(message);
  }

  async hear(message) {
    if (this.state === "offered") {
      return this.held.length < HELD_MESSAGES ? this.held.push(message) : this.viewer.drop("too-many-candidates");
    }
    const place = { sdpMid: "0", usernameFragment: message.ufrag || null };
    for (const candidate of [...message.candidates, ...(message.end ? [""] : [])]) {
      await this.peer.addIceCandidate({ candidate, ...place }).catch(() => this.viewer.drop("bad-candidate"));
    }
  }

  peerChanged() {
    if (this.peer.connectionState === "connected" && this.state === "answered") {
      this.state = "connected";
      this.connected("connected");
      this.listen().catch((error) => this.fail("internal", String(error)));
    } else if (["failed", "closed"].includes(this.peer.connectionState) && this.state === "connected") {
      this.fail("silence");
    }
  }

  /** End the session when no packet came for a while; a browser tells by its statistics only. */
  async listen() {
    for (let heard = -1, at = 0; this.state === "connected"; await pause(SILENCE_POLL_MS)) {
      const reports = [...(await this.peer.getStats()).values()];
      const packets = reports.find((report) => report.type === "transport").packetsReceived;
      if (packets !== heard) [heard, at] = [packets, performance.now()];
      else if (performance.now() - at > SILENCE_MS) return this.fail("silence");
    }
  }

  later(ms, action) {
    const timer = setTimeout(() => { this.timers.delete(timer); action(); }, ms);
    this.timers.add(timer);
  }

  fail(code, text = "") {
    if (this.state === "ended") return;
    this.send({ t: "error", code, text });
    this.end(code, text);
  }

  /** Say bye, and leave once the broker has it: media that ends first looks like a loss. */
  async close() {
    if (this.state === "ended") return;
    await Promise.race([this.send({ t: "bye", reason: "closed", text: "" }), pause(BYE_WAIT_MS)]);
    this.end("closed");
  }

  end(code, text = "", isRemote = false) {
    if (this.state === "ended") return;
    this.state = "ended";
    for (const timer of this.timers) clearTimeout(timer);
    this.peer.close();
    this.connected({ code, text, isRemote });
    this.ended({ code, text, isRemote });
  }
}
