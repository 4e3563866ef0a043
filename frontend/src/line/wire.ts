/**
 * What the page and an agent's process say to one another through the server: JSON for everything but sound, which has a header of 16
 * bytes. The other end is `voicemode/wire/page_line.py`.
 */

import { type Json, number, parsed, text } from '../protocol/json.ts';

/** Hertz of what the page plays, and of what it hears. */
export const PLAY_RATE = 24_000;
export const CAPTURE_RATE = 16_000;

const HEADER_BYTES = 16;
const PLAY = 1;
const CAPTURED = 2;
const MS_WRAP = 2 ** 32;

export type ToPage =
  | { readonly type: 'ring' | 'begin'; readonly agent: string }
  | { readonly type: 'end' }
  | { readonly type: 'open_speaker' | 'close_speaker' | 'cut' | 'complete' | 'open_microphone' | 'close_microphone'; readonly run: number }
  | { readonly type: 'duck'; readonly gainDb: number }
  | { readonly type: 'state'; readonly state: string }
  | { readonly type: 'words'; readonly text: string }
  | { readonly type: 'said'; readonly key: string; readonly role: string; readonly text: string; readonly standing: string };

export type FromPage =
  | { readonly type: 'ready'; readonly page: string }
  | { readonly type: 'unready' }
  | { readonly type: 'speaker_opened'; readonly run: number; readonly latency_ms: number }
  | { readonly type: 'microphone_opened'; readonly run: number; readonly name: string }
  | { readonly type: 'failed'; readonly device: 'microphone' | 'speaker'; readonly problem: string }
  | { readonly type: 'played' | 'was_cut'; readonly run: number; readonly position: number; readonly at_ms: number; readonly now_ms: number }
  | { readonly type: 'act'; readonly action: 'pause' | 'resume' | 'stop' | 'skip' };

export interface Sound {
  readonly run: number;
  /** Of the first sample. */
  readonly position: number;
  readonly samples: Int16Array<ArrayBuffer>;
}

/** Undefined for what is not known: the server may be newer than the page. */
export function readMessage(data: string): ToPage | undefined {
  const json = parsed(data);
  const type = text(json, 'type');
  switch (type) {
    case 'ring':
    case 'begin':
      return { type, agent: text(json, 'agent') };
    case 'end':
      return { type };
    case 'open_speaker':
    case 'close_speaker':
    case 'cut':
    case 'complete':
    case 'open_microphone':
    case 'close_microphone':
      return { type, run: number(json, 'run') };
    case 'duck':
      return { type, gainDb: Math.min(number(json, 'gain_db'), 0) };
    case 'state':
      return { type, state: text(json, 'state') };
    case 'words':
      return { type, text: text(json, 'text') };
    case 'said':
      return said(json);
    default:
      return undefined;
  }
}

function said(json: Json | undefined): ToPage {
  return { type: 'said', key: text(json, 'key'), role: text(json, 'role'), text: text(json, 'text'), standing: text(json, 'standing') };
}

/** Undefined for what is no sound to be played. */
export function readSound(data: ArrayBuffer): Sound | undefined {
  if (data.byteLength < HEADER_BYTES || data.byteLength % 2 !== 0) return undefined;
  const view = new DataView(data);
  if (view.getUint8(0) !== PLAY) return undefined;
  const samples = new Int16Array((data.byteLength - HEADER_BYTES) / 2);
  for (let i = 0; i < samples.length; i += 1) samples[i] = view.getInt16(HEADER_BYTES + 2 * i, true);
  return { run: view.getUint16(2, true), position: Number(view.getBigUint64(8, true)), samples };
}

/** Of the microphone; `atMs` is when its first sample was heard. */
export function writeSound({ run, position, samples }: Sound, atMs: number): ArrayBuffer {
  const data = new ArrayBuffer(HEADER_BYTES + 2 * samples.length);
  const view = new DataView(data);
  view.setUint8(0, CAPTURED);
  view.setUint16(2, run, true);
  view.setUint32(4, Math.max(0, Math.round(atMs)) % MS_WRAP, true);
  view.setBigUint64(8, BigInt(position), true);
  samples.forEach((sample, i) => view.setInt16(HEADER_BYTES + 2 * i, sample, true));
  return data;
}
