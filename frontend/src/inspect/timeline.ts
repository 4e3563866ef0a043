/** When what happened in a turn, for a picture of it: who spoke, what the server did, and when the answer could be heard. */

import { number, object, text } from '../protocol/json.ts';
import { type TurnTimes, turnTimes } from './latency.ts';
import type { Entry } from './ring.ts';

export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Playback extends Span {
  readonly end: 'heard' | 'cut' | 'going on';
}

export interface Mark {
  readonly name: string;
  readonly atMs: number;
}

export interface TurnPicture extends Span {
  readonly times: TurnTimes;
  /** The person's speech, where the server found it in their sound, with the silence that it waited for. */
  readonly speech: Span | undefined;
  readonly marks: readonly Mark[];
  readonly playback: readonly Playback[];
}

const MARKS: readonly (readonly [keyof TurnTimes, string])[] = [
  ['words', 'words'],
  ['response', 'answer begun'],
  ['firstWord', 'first word'],
  ['firstSound', 'first sound'],
];
const BEGIN = new Set(['output_audio_buffer.started', 'page.playing']);
const ENDS: Readonly<Record<string, Playback['end']>> = {
  'output_audio_buffer.stopped': 'heard',
  'output_audio_buffer.cleared': 'cut',
  'page.played': 'heard',
  'page.silent': 'cut',
};
/** Around what happened. */
const MARGIN_MS = 400;

/** One for each turn that the server found the end of, oldest first, up to what comes next: another one, or typed words. */
export function pictures(entries: readonly Entry[]): readonly TurnPicture[] {
  const turns = turnTimes(entries);
  const typed = entries.filter(({ type, from }) => type === 'conversation.item.create' && from === 'client').map(({ atMs }) => atMs);
  return turns.map((times, i) => {
    const next = turns[i + 1]?.stoppedMs ?? Infinity;
    return pictured(entries, times, next, typed.find((atMs) => atMs >= times.stoppedMs) ?? next);
  });
}

/** Nothing new begins after `typedMs`; what was being heard then breaks off a moment later. */
function pictured(entries: readonly Entry[], times: TurnTimes, untilMs: number, typedMs: number): TurnPicture {
  const speech = speechOf(entries, times);
  const own = entries.filter(({ atMs }) => atMs >= times.stoppedMs && atMs < untilMs);
  const marks = MARKS.flatMap(([stage, name]) => {
    const after = times[stage];
    return typeof after === 'number' ? [{ name, atMs: times.stoppedMs + after }] : [];
  });
  const committed = own.find((entry) => entry.type === 'input_audio_buffer.committed' && text(entry.event, 'item_id') === times.itemId);
  if (committed !== undefined) marks.push({ name: 'committed', atMs: committed.atMs });
  marks.sort((a, b) => a.atMs - b.atMs);
  const playback = playbackOf(own, typedMs);
  const moments = [times.stoppedMs, speech?.fromMs ?? times.stoppedMs, ...marks.map(({ atMs }) => atMs), ...playback.map(({ toMs }) => toMs)];
  return {
    times,
    fromMs: Math.min(...moments) - MARGIN_MS,
    toMs: Math.max(...moments) + MARGIN_MS,
    speech,
    marks,
    playback,
  };
}

/**
 * The server counts in milliseconds of the sound that it got, which begins with the session. It cannot tell of anything before it
 * has it: no moment lies after the event that tells of it.
 */
function speechOf(entries: readonly Entry[], { itemId, stoppedMs }: TurnTimes): Span | undefined {
  const told = (type: string) => entries.findLast((entry) => entry.type === type && text(entry.event, 'item_id') === itemId);
  const [began, ended] = [told('input_audio_buffer.speech_started'), told('input_audio_buffer.speech_stopped')];
  if (began === undefined || ended === undefined) return undefined;
  const session = entries.findLast((entry) => entry.type === 'session.created' && entry.atMs <= began.atMs);
  const [fromMs, toMs] = [number(began.event, 'audio_start_ms'), number(ended.event, 'audio_end_ms')];
  const latest = Math.min(began.atMs - fromMs, ended.atMs - toMs);
  const zero = Math.min(session?.atMs ?? latest, latest);
  return { fromMs: zero + fromMs, toMs: Math.min(zero + toMs, stoppedMs) };
}

function playbackOf(entries: readonly Entry[], typedMs: number): readonly Playback[] {
  const played: Playback[] = [];
  for (const { type, atMs } of entries) {
    const last = played.at(-1);
    const end = Object.hasOwn(ENDS, type) ? ENDS[type] : undefined;
    if (BEGIN.has(type) && atMs < typedMs && last?.end !== 'going on') played.push({ fromMs: atMs, toMs: atMs, end: 'going on' });
    if (end !== undefined && last?.end === 'going on') played[played.length - 1] = { ...last, toMs: atMs, end };
  }
  const last = played.at(-1);
  if (last?.end === 'going on') played[played.length - 1] = { ...last, toMs: entries.at(-1)?.atMs ?? last.toMs };
  return played;
}

export interface ToolUse {
  readonly itemId: string;
  readonly server: string;
  readonly name: string;
  readonly arguments: string;
  readonly output: string;
  readonly state: 'running' | 'completed' | 'failed';
  readonly atMs: number;
  readonly tookMs: number | undefined;
}

const TOOLS = new Set(['function_call', 'mcp_call']);

/** Every use of a tool, oldest first, whoever ran it. */
export function toolUses(entries: readonly Entry[]): readonly ToolUse[] {
  const uses = new Map<string, ToolUse>();
  const calls = new Map<string, string>();
  const settle = (id: string, atMs: number, change: Partial<ToolUse>) => {
    const use = uses.get(id);
    if (use === undefined) return;
    const over = change.state !== undefined && change.state !== 'running' && use.tookMs === undefined;
    uses.set(id, { ...use, ...change, tookMs: over ? atMs - use.atMs : use.tookMs });
  };
  for (const { type, event, atMs } of entries) {
    const item = object(event['item']);
    const kind = text(item, 'type');
    const id = text(item, 'id') || text(event, 'item_id');
    if (TOOLS.has(kind)) {
      if (!uses.has(id)) uses.set(id, { itemId: id, server: text(item, 'server_label'), name: text(item, 'name'), arguments: '', output: '', state: 'running', atMs, tookMs: undefined });
      calls.set(text(item, 'call_id'), id);
      const error = object(item?.['error']);
      const output = text(item, 'output');
      settle(id, atMs, { ...(text(item, 'arguments') === '' ? {} : { arguments: text(item, 'arguments') }) });
      if (error !== undefined) settle(id, atMs, { state: 'failed', output: text(error, 'message') });
      else if (output !== '') settle(id, atMs, { state: 'completed', output });
    }
    if (kind === 'function_call_output') settle(calls.get(text(item, 'call_id')) ?? '', atMs, { state: 'completed', output: text(item, 'output') });
    if (type === 'response.mcp_call.completed') settle(id, atMs, { state: 'completed' });
    if (type === 'response.mcp_call.failed') settle(id, atMs, { state: 'failed' });
  }
  return [...uses.values()];
}
