// Which camera is to be believed, sections 7 and 12 of docs/protocol.md, by the word of one owner: no pins here.
// It must not know how messages travel.

import { Refused, readCertificate, readOwnerState } from "./documents.js";

export class Vouching {
  constructor(owner, namespace) {
    Object.assign(this, { owner, namespace, number: -1, revoked: new Set() });
    this.topic = `${namespace}/v1/owner/state`;
  }

  /** Return why the one who signed a status is not that device, or null. */
  async vouch(device, key, certificate) {
    let found;
    try { found = await readCertificate(certificate, this.owner, this.namespace); } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return { code: "unknown-key", text: `the owner vouches for no key of ${device}: ${error.code}` };
    }
    if (found.name !== device || found.key !== key) {
      return { code: "unknown-key", text: `the owner's word is about another than this ${device}` };
    }
    if (this.revoked.has(found.serial)) return { code: "revoked", text: `the owner withdrew the key of ${device}` };
    return null;
  }

  /** Take what stands on the owner's topic; an older word, or one of somebody else, changes nothing. */
  async hear(payload) {
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
