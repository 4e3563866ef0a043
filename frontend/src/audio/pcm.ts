/** 16-bit little-endian PCM, as it is on the wire, and the floats between -1 and 1 of the Web Audio API. */

const FULL_SCALE = 32_768;

/** Rounded, and clipped where a float is beyond full scale. */
export function toInt16(samples: Float32Array): Int16Array {
  const out = new Int16Array(samples.length);
  for (let i = 0; i < samples.length; i += 1) {
    const value = Math.round((samples[i] ?? 0) * FULL_SCALE);
    out[i] = value > 32_767 ? 32_767 : value < -32_768 ? -32_768 : value;
  }
  return out;
}

export function toFloat32(samples: Int16Array): Float32Array {
  const out = new Float32Array(samples.length);
  for (let i = 0; i < samples.length; i += 1) out[i] = (samples[i] ?? 0) / FULL_SCALE;
  return out;
}

/** Bytes of one call of String.fromCharCode: more would be too many arguments for some engines. */
const PIECE = 8192;

export function toBase64(samples: Int16Array): string {
  const bytes = new Uint8Array(samples.length * 2);
  const view = new DataView(bytes.buffer);
  samples.forEach((sample, i) => view.setInt16(2 * i, sample, true));
  let binary = '';
  for (let at = 0; at < bytes.length; at += PIECE) binary += String.fromCharCode(...bytes.subarray(at, at + PIECE));
  return btoa(binary);
}

/** Empty for what is no base64; half a sample at the end is dropped. */
export function fromBase64(text: string): Int16Array<ArrayBuffer> {
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    return new Int16Array(0);
  }
  const out = new Int16Array(binary.length >> 1);
  for (let i = 0; i < out.length; i += 1) {
    out[i] = binary.charCodeAt(2 * i) | (binary.charCodeAt(2 * i + 1) << 8); // Int16Array takes the sign from bit 15
  }
  return out;
}
