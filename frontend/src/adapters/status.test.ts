import { expect, test } from 'vitest';
import { readStatus } from './status.ts';

test('a part that is being looked at is no part that is empty', () => {
  const status = readStatus({ speech: { looking: true }, devices: { looking: false, seen: [] } });
  expect(status.checks).toEqual({ seen: undefined, looking: true, problem: '' });
  expect(status.devices.seen).toEqual([]);
  expect(status.models).toEqual({ seen: undefined, looking: false, problem: '' });
});

test('what is not of its type is as if it were not there', () => {
  const odd = { seen: { checks: [{ name: 3, state: 'odd' }, 'x'], endpoints: 'none' }, looking: 1, problem: null };
  const status = readStatus({ speech: odd });
  expect(status.checks.seen).toEqual([{ name: '', state: 'warning', detail: '', remedy: '' }]);
  expect(status.endpoints.seen).toEqual([]);
  expect(readStatus('nothing').server.seen).toBeUndefined();
});

test('an endpoint that is passed over has no place', () => {
  const speech = { seen: { endpoints: [{ task: 'tts', name: 'x', place: null, usable: false, reasons: ['it is left alone'] }] } };
  expect(readStatus({ speech }).endpoints.seen).toMatchObject([{ place: 0, usable: false, reasons: ['it is left alone'] }]);
});
