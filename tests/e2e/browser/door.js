// One attempt to be let in by a camera: section 13 of docs/protocol.md.
// It must not know how payloads are carried, nor where the secret comes from.

import { sealingKey } from "./keys.js";
import { VERSION } from "./messages.js";
import { deviceProof, viewerProof } from "./pairing.js";
import { hash, randomId } from "./session.js";

const REPEAT_MS = 3000;
const utf8 = new TextEncoder();

export class Pairing {
  constructor(viewer, secret) {
    const id = randomId();
    Object.assign(this, { viewer, secret, id, said: [] });
    this.recipient = { key: viewer.deviceKey, sealKey: viewer.status.seal_key };
    this.answered = new Promise((resolve) => { this.answer = resolve; });
  }

  /** Ask again and again until the answer is final; return it, with all codes heard before it. */
  async ask() {
    const { viewer, secret, id } = this;
    this.reply = await sealingKey();
    this.parties = {
      namespace: viewer.namespace, device: viewer.device, deviceKey: this.recipient.key, viewer: viewer.name,
      viewerKey: (await viewer.signer).public, session: id,
    };
    const mac = await viewerProof(secret, this.parties);
    const body = utf8.encode(JSON.stringify({ v: VERSION, t: "pair", n: 0, mac }));
    this.re = await hash(body);
    const payload = viewer.seal(this, body);
    viewer.publish(id, payload);
    const timer = setInterval(() => viewer.publish(id, payload), REPEAT_MS);
    try { return { ...await this.answered, heard: this.said }; } finally { clearInterval(timer); }
  }

  async receive(message) {
    if (message.re !== this.re) return this.viewer.drop("wrong-re");
    if (message.t === "error") {
      this.said.push(message.code);
      if (message.code !== "pairing-waits") this.answer({ code: message.code });
    } else if (message.t === "paired") {
      const expected = await deviceProof(this.secret, this.parties, message.re, message.rights);
      if (message.mac !== expected) return this.viewer.drop("unauthentic");
      this.answer({ code: "paired", rights: message.rights, key: this.recipient.key });
    }
  }

  /** A camera that was started again pairs no more. */
  async statusChanged() {
    if (this.viewer.status.seal_key !== this.recipient.sealKey) this.answer({ code: "pairing-closed" });
  }

  fail(code) { this.answer({ code }); }

  async close() { this.fail("closed"); }
}
