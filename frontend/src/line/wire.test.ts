import { describe, expect, it } from 'vitest';
import { readMessage, readSound, writeSound } from './wire.ts';

describe('sound', () => {
  it('is read as the server writes it', () => {
    // encode_sound(SoundFrame(Kind.PLAY, run=7, position=1_000_000, samples=-2, 300)) of voicemode/wire/page_line.py
    const bytes = new Uint8Array([1, 0, 7, 0, 0, 0, 0, 0, 0x40, 0x42, 0x0f, 0, 0, 0, 0, 0, 0xfe, 0xff, 0x2c, 0x01]);
    expect(readSound(bytes.buffer)).toEqual({ run: 7, position: 1_000_000, samples: new Int16Array([-2, 300]) });
  });

  it('is written as the server reads it', () => {
    const data = new Uint8Array(writeSound({ run: 258, position: 320, samples: new Int16Array([1, -1]) }, 70_000.4));
    expect([...data]).toEqual([2, 0, 2, 1, 0x70, 0x11, 1, 0, 0x40, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0xff, 0xff]);
  });

  it('of a wrong kind or length is none', () => {
    expect(readSound(new ArrayBuffer(15))).toBeUndefined();
    expect(readSound(new ArrayBuffer(17))).toBeUndefined();
    expect(readSound(writeSound({ run: 1, position: 0, samples: new Int16Array(4) }, 0))).toBeUndefined();
  });
});

describe('a message', () => {
  it('of a known type is read, whatever else is in it', () => {
    expect(readMessage('{"type":"begin","agent":"Claude","new":1}')).toEqual({ type: 'begin', agent: 'Claude' });
    expect(readMessage('{"type":"duck","gain_db":-12}')).toEqual({ type: 'duck', gainDb: -12 });
    expect(readMessage('{"type":"duck","gain_db":6}')).toEqual({ type: 'duck', gainDb: 0 });
  });

  it('of no known type, or broken, is none', () => {
    for (const data of ['{"type":"later"}', '{', '[]', '"x"']) expect(readMessage(data)).toBeUndefined();
  });
});
