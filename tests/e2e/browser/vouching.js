// Which camera is to be believed, sections 7 and 12 of docs/protocol.md: by an owner's word, or by a key known before.
// It must not know how messages travel.

import { Refused, readCertificate, readOwnerState } from "./documents.js";

export class Vouching {
  /** `owner` may be null; `known` has keys by the names of devices. */
  constructor(owner, namespace, known = {}) {
    Object.assign(this, { owner, namespace, known, number: 0, revoked: new Set() });
    this.topic = `${namespace}/v1/owner/state`;
  }

  /** Return why the one who signed a status is not that device, or null. */
  async vouch(device, key, certificate) {
    const found = await this.certificate(certificate);
    const isVouchedFor = found?.name === device && found.key === key;
    if (isVouchedFor && this.revoked.has(found.serial)) {
      return { code: "revoked-key", text: `the owner withdrew the key of ${device}` };
    }
    if (isVouchedFor || this.known[device] === key) return null;
    return device in this.known
      ? { code: "changed-key", text: `another key than the one known signs for ${device}` }
      : { code: "unknown-key", text: `nobody vouches for the key that signs for ${device}` };
  }

  /** Return what the owner says, or null. */
  async certificate(given) {
    if (!this.owner) return null;
    try { return await readCertificate(given, this.owner, this.namespace); } catch (error) {
      if (error instanceof Refused) return null;
      throw error;
    }
  }

  /** Take what stands on the owner's topic; an older word, or one of somebody else, changes nothing. */
  async hear(payload) {
    if (!this.owner) return "nobody's word";
    let state;
    try { state = await readOwnerState(payload, this.topic, this.owner); } catch (error) {
      if (error instanceof Refused) return error.code;
      throw error;
    }
    if (state.number <= this.number) return "old-owner-state";
    Object.assign(this, { number: state.number, revoked: new Set(state.revoked) });
    return "";
  }
}
