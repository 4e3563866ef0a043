/** What a turn cost, from the events of the wire: from when the person stopped to when the assistant could be heard. */

import { number, object, text } from '../protocol/json.ts';
import type { Entry } from './ring.ts';

export interface TurnTimes {
  readonly itemId: string;
  /** When the server said that the person had stopped; the times below are milliseconds since then. */
  readonly stoppedMs: number;
  readonly words: number | undefined;
  readonly response: number | undefined;
  readonly firstWord: number | undefined;
  /** Its arrival. */
  readonly firstSound: number | undefined;
  /** When it left the loudspeaker here, or the server's buffer. */
  readonly heard: number | undefined;
  readonly interrupted: boolean;
}

type Stage = 'words' | 'response' | 'firstWord' | 'firstSound' | 'heard';

const STAGES: Readonly<Record<string, Stage>> = {
  'conversation.item.input_audio_transcription.completed': 'words',
  'response.created': 'response',
  'response.output_audio_transcript.delta': 'firstWord',
  'response.output_text.delta': 'firstWord',
  'response.output_audio.delta': 'firstSound',
  'output_audio_buffer.started': 'heard',
  'page.playing': 'heard',
};

export function turnTimes(entries: readonly Entry[]): readonly TurnTimes[] {
  const turns: TurnTimes[] = [];
  for (const entry of entries) {
    if (entry.type === 'input_audio_buffer.speech_stopped') {
      turns.push({ itemId: text(entry.event, 'item_id'), stoppedMs: entry.atMs, ...NOTHING });
      continue;
    }
    const last = turns.at(-1);
    if (last === undefined) continue;
    const stage = STAGES[entry.type];
    if (stage !== undefined && last[stage] === undefined && (stage === 'words' || !last.interrupted)) {
      const ofAnotherTurn = stage === 'words' && text(entry.event, 'item_id') !== last.itemId;
      if (!ofAnotherTurn) turns[turns.length - 1] = { ...last, [stage]: entry.atMs - last.stoppedMs };
    }
    if (entry.type === 'response.done' && text(object(entry.event['response']), 'status') === 'cancelled') {
      turns[turns.length - 1] = { ...last, interrupted: true };
    }
  }
  return turns;
}

const NOTHING = {
  words: undefined,
  response: undefined,
  firstWord: undefined,
  firstSound: undefined,
  heard: undefined,
  interrupted: false,
} as const;

/** The value below which so much of all values lies, by linear interpolation; undefined of none. */
export function percentile(values: readonly number[], part: number): number | undefined {
  if (values.length === 0) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * part;
  const low = sorted[Math.floor(at)] ?? 0;
  return low + ((sorted[Math.ceil(at)] ?? low) - low) * (at - Math.floor(at));
}

/** Where the speech of the turn's person began and ended in their sound, in milliseconds, as the server tells. */
export function speechMs(entries: readonly Entry[], itemId: string): readonly [number, number] | undefined {
  const of = (type: string) => entries.find((entry) => entry.type === type && text(entry.event, 'item_id') === itemId);
  const [began, ended] = [of('input_audio_buffer.speech_started'), of('input_audio_buffer.speech_stopped')];
  return began && ended ? [number(began.event, 'audio_start_ms'), number(ended.event, 'audio_end_ms')] : undefined;
}
