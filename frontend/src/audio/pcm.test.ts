import { expect, test } from 'vitest';
import { fromBase64, toBase64, toFloat32, toInt16 } from './pcm.ts';

test('what goes to base64 comes back, at both ends of the scale', () => {
  const samples = Int16Array.of(0, 1, -1, 32_767, -32_768, 258);
  expect(fromBase64(toBase64(samples))).toEqual(samples);
  expect(toBase64(Int16Array.of(258))).toBe(btoa('\x02\x01')); // little-endian
});

test('a long block survives', () => {
  const samples = Int16Array.from({ length: 50_000 }, (_, i) => (i * 31) % 30_000);
  expect(fromBase64(toBase64(samples))).toEqual(samples);
});

test('floats beyond full scale are clipped', () => {
  expect(toInt16(Float32Array.of(2, -2, 0.5, 0))).toEqual(Int16Array.of(32_767, -32_768, 16_384, 0));
});

test('floats and integers agree to half a step', () => {
  const samples = Int16Array.of(-32_768, -100, 0, 100, 32_767);
  expect(toInt16(toFloat32(samples))).toEqual(samples);
});

test('what is no base64 is no sound', () => {
  expect(fromBase64('%%%')).toEqual(new Int16Array(0));
  expect(fromBase64(btoa('abc')).length).toBe(1);
});
