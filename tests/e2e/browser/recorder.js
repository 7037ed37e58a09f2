// What a video shows, picture by picture: which one, drawn when, shown when.
// It must not know how the video got here. It reads the marker of mqcam_device.sources.marker.

const COLUMNS = 40;
const ROWS = 2;
const HEIGHT_PARTS = 30;
const CELL = 4;  // pixels of the small copy
const MIDDLE = 124;
const POLYNOMIAL = 0x1021;
const SEED = 0x5aa5;
const PAYLOAD_BYTES = 8;
const FRAME_BYTES = 3;
const MOST = 100_000;

/** Return the check of binascii.crc_hqx. */
function check(bytes) {
  let crc = SEED;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) {
      crc = (crc & 0x8000 ? (crc << 1) ^ POLYNOMIAL : crc << 1) & 0xffff;
    }
  }
  return crc;
}

const number = (bytes) => bytes.reduce((value, byte) => value * 256 + byte, 0);

/** Return [number, milliseconds drawn at], or [null, null] of a picture that is not whole. */
function readMarker(pixels) {
  const bytes = new Uint8Array(PAYLOAD_BYTES + 2);
  for (let cell = 0; cell < ROWS * COLUMNS; cell += 1) {
    const x = (cell % COLUMNS) * CELL + CELL / 2;
    const y = Math.floor(cell / COLUMNS) * CELL + CELL / 2;
    if (pixels[4 * (y * COLUMNS * CELL + x) + 1] > MIDDLE) bytes[cell >> 3] |= 0x80 >> (cell & 7);
  }
  const payload = bytes.slice(0, PAYLOAD_BYTES);
  if (check(payload) !== number(bytes.slice(PAYLOAD_BYTES))) return [null, null];
  return [number(payload.slice(0, FRAME_BYTES)), number(payload.slice(FRAME_BYTES))];
}

/** Note every picture that a video shows, from now on. */
export class FrameRecorder {
  constructor(video) {
    this.video = video;
    this.shown = [];
    const canvas = new OffscreenCanvas(COLUMNS * CELL, ROWS * CELL);
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.context.imageSmoothingEnabled = false;
    this.isRunning = true;
    this.next();
  }

  next() {
    this.video.requestVideoFrameCallback(() => {
      if (!this.isRunning) return;
      this.next();
      const at = performance.now();
      if (this.shown.length < MOST) this.shown.push([...this.read(), at]);
    });
  }

  read() {
    const { videoWidth: width, videoHeight: height } = this.video;
    const strip = ROWS * Math.max(Math.floor(height / HEIGHT_PARTS), 1);
    const size = [COLUMNS * CELL, ROWS * CELL];
    this.context.drawImage(this.video, 0, height - strip, width, strip, 0, 0, ...size);
    return readMarker(this.context.getImageData(0, 0, ...size).data);
  }

  stop() {
    this.isRunning = false;
    return this.shown;
  }
}
