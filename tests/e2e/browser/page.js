// What the tests ask of the page: watch a camera, tell what arrived and what it looks like.

import { Viewer } from "./viewer.js";
import { decode } from "./messages.js";
import { readLine } from "./pairing.js";
import { FrameRecorder } from "./recorder.js";
import { run } from "./vectors.js";

const MS = 1000;
const video = document.getElementById("video");
let viewer = null;
let recorder = null;

/** Frames decoded and dropped, freezes, size, first-frame ms after publish and making of the offer. */
window.stats = {};

async function refresh() {
  for (const report of (await viewer.session.peer.getStats()).values()) {
    if (report.type !== "inbound-rtp" || report.kind !== "video") continue;
    const { framesDecoded = 0, framesDropped = 0, packetsLost = 0, freezeCount = 0 } = report;
    const { frameWidth: width, frameHeight: height } = report;
    Object.assign(window.stats, { framesDecoded, framesDropped, packetsLost, freezeCount, width, height });
  }
  return { ...window.stats };
}

/** Offer and return "connected", or how the attempt ended. */
window.watch = async (login, device, options = {}) => {
  viewer = new Viewer(window.mqtt, login, device);
  // The browser's statistics may be a moment behind the first frame.
  window.stats = { framesDecoded: 0, framesDropped: 0, packetsLost: 0, freezeCount: 0 };
  window.firstFrame = new Promise((resolve) => {
    video.requestVideoFrameCallback((at) => resolve(at));
  });
  const onTrack = (track) => { video.srcObject = new MediaStream([track]); };
  const session = await viewer.watch({ ...options, onTrack });
  window.firstFrame = window.firstFrame.then((at) => {
    window.stats.firstFrameMs = at - session.offeredAt;
    window.stats.firstFrameSinceCreationMs = at - session.createdAt;
    return window.stats.firstFrameMs;
  });
  return session.outcome;
};

/** Ask to be let in with an invitation; return the camera's last word. */
window.pair = async (login, line) => {
  const { camera, key, secret, namespace } = await readLine(line);
  viewer = new Viewer(window.mqtt, { ...login, namespace, owner: null, known: { [camera]: key } }, camera);
  return viewer.pair(secret);
};

/** Count what is decoded and dropped within a time, from the first frame on. */
window.measure = async (duration_s) => {
  await window.firstFrame;
  const before = await refresh();
  await new Promise((resolve) => { setTimeout(resolve, duration_s * MS); });
  const after = await refresh();
  const counted = ["framesDecoded", "framesDropped", "packetsLost"];
  return { ...after, ...Object.fromEntries(counted.map((name) => [name, after[name] - before[name]])) };
};

/** Return width and height of what is shown; the statistics say those of what is decoded. */
window.size = async () => {
  await window.firstFrame;
  return [video.videoWidth, video.videoHeight];
};

/** Return the colours, [red, green, blue], at places given as parts of width and height. */
window.colours = async (places) => {
  await window.firstFrame;
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0);
  return places.map(([x, y]) => [
    ...context.getImageData(x * canvas.width, y * canvas.height, 1, 1).data.slice(0, 3),
  ]);
};

/** Return the statistics once there is a picture. */
window.counts = async () => {
  await window.firstFrame;
  return refresh();
};

/** Note what the video shows until recorded() asks for it: [number, drawn at, shown at], in ms. */
window.record = () => { recorder = new FrameRecorder(video); };
window.recorded = () => recorder.stop();
window.now = () => performance.now();

window.retries = () => viewer.session.retries;
window.ending = () => viewer.session.ending;
window.leave = () => viewer.close();

/** Return the message in a body, or the code of its refusal. */
window.read = (body) => {
  try { return decode(new TextEncoder().encode(body)); } catch (error) { return error.constructor.name; }
};

/** Return what is wrong with a list of examples. */
window.run = run;
