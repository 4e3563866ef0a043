import { expect, test } from 'vitest';
import { USUAL_PACE, heardCharacters, heardPrefix, learned } from './heard.ts';

const TEXT = 'This is sentence one. This is sentence two.';

test('nothing was heard before it began, all of it at its end', () => {
  expect(heardCharacters(TEXT, 0, 60)).toBe(0);
  expect(heardCharacters(TEXT, 2000, 60, 2000)).toBe(TEXT.length);
  expect(heardCharacters(TEXT, 1e9, 60)).toBe(TEXT.length);
});

test('what was heard ends with a word and only grows', () => {
  let before = 0;
  for (let ms = 0; ms < 3000; ms += 10) {
    const now = heardCharacters(TEXT, ms, 60);
    expect(now).toBeGreaterThanOrEqual(before);
    expect(/[\s]$/.test(TEXT.slice(0, now))).toBe(false);
    expect(now === TEXT.length || now === 0 || /\s/.test(TEXT[now] ?? '')).toBe(true);
    before = now;
  }
});

test('with the length of the whole known, half the time is half the words', () => {
  expect(TEXT.slice(0, heardCharacters(TEXT, 1100, 500, 2000))).toBe('This is sentence one.');
});

test('the pace of a voice is learned from whole answers, and nonsense is not', () => {
  let pace = USUAL_PACE;
  for (let i = 0; i < 8; i += 1) pace = learned(pace, 100, 9000);
  expect(pace).toBeCloseTo(90, 0);
  expect(learned(pace, 3, 1000)).toBe(pace);
  expect(learned(pace, 100, 100_000)).toBe(pace);
});

test('the words that the server says were heard are found in the whole', () => {
  expect(TEXT.slice(0, heardPrefix(TEXT, 'This is  sentence'))).toBe('This is sentence');
  expect(heardPrefix(TEXT, '')).toBe(0);
  expect(heardPrefix(TEXT, TEXT)).toBe(TEXT.length);
  expect(heardPrefix('Ein Männlein 😀 da', 'Ein Männlein 😀')).toBe('Ein Männlein 😀'.length);
});
