import { expect, test } from 'vitest';
import { Meter, decibels, shown } from './level.ts';

test('a square wave of full scale has 0 dB, one of a tenth -20', () => {
  expect(decibels(new Float32Array(100).fill(1))).toBeCloseTo(0);
  expect(decibels(new Float32Array(100).fill(-0.1))).toBeCloseTo(-20);
});

test('silence and nothing at all show nothing', () => {
  expect(shown(decibels(new Float32Array(10)))).toBe(0);
  expect(shown(decibels(new Float32Array(0)))).toBe(0);
});

test('it rises at once and falls within half a second', () => {
  const meter = new Meter();
  expect(meter.update(new Float32Array(10).fill(1), 0.02)).toBe(1);
  expect(meter.update(new Float32Array(10), 0.25)).toBeCloseTo(0.5);
  expect(meter.update(new Float32Array(10), 0.3)).toBe(0);
});
