import { expect, test } from 'vitest';
import { ago, bytes, clock, count, day, duration } from './format.ts';

const NOON = new Date(2026, 10, 21, 12, 0, 0).getTime() / 1000;

test.each([
  [5, 'just now'],
  [60, '1 min ago'],
  [3599, '59 min ago'],
  [7300, '2 h ago'],
  [86_400 * 3, '18 November'],
  [86_400 * 400, '17 October 2025'],
])('%d seconds ago is %s', (seconds, words) => expect(ago(NOON - seconds, NOON)).toBe(words));

test('the clock has no seconds', () => expect(clock(NOON + 61)).toBe('12:01'));
test('a day of this year has no year', () => expect(day(NOON, NOON)).toBe('21 November'));

test.each([
  [0, '0 s'],
  [42.4, '42 s'],
  [60, '1 min'],
  [4000, '1 h 6 min'],
  [90_000, '1 d 1 h'],
])('%d seconds are %s', (seconds, words) => expect(duration(seconds)).toBe(words));

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1200, '1.2 kB'],
  [147_882_941, '148 MB'],
  [999_600_000, '1.0 GB'],
])('%d bytes are %s', (size, words) => expect(bytes(size)).toBe(words));

test('one is one', () => expect([count(1, 'turn'), count(0, 'turn')]).toEqual(['1 turn', '0 turns']));
