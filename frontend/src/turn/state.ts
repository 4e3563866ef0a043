/** The state of a conversation as the person sees it: a reducer over what the server, the loudspeaker and the person do. */

import type { Item, ServerEvent } from '../protocol/events.ts';
import { USUAL_PACE, heardCharacters, heardPrefix, learned } from './heard.ts';
import { type AssistantLine, type Line, assistantLine, lineOf, outcome, userLine } from './lines.ts';

export type Phase = 'idle' | 'connecting' | 'listening' | 'thinking' | 'speaking' | 'interrupted';

export interface Turns {
  readonly base: 'idle' | 'connecting' | 'live';
  readonly lines: readonly Line[];
  /** The person talks. */
  readonly talking: boolean;
  /** They talk into what the assistant says. */
  readonly interrupting: boolean;
  /** A turn is over that nobody has begun to answer. */
  readonly waiting: boolean;
  readonly responses: readonly string[];
  /** The item whose sound is audible; where the server plays, that of its response. */
  readonly sounding: string;
  /** Of the voice, milliseconds for a character. */
  readonly pace: number;
  /** What went wrong last, in words for the person. */
  readonly problem: string;
}

export const NEW_TURNS: Turns = {
  base: 'idle',
  lines: [],
  talking: false,
  interrupting: false,
  waiting: false,
  responses: [],
  sounding: '',
  pace: USUAL_PACE,
  problem: '',
};

/** Errors of a page and a server that did the same thing at the same moment. */
const BENIGN = new Set(['response_cancel_not_active', 'item_retrieve_invalid_item_id']);
/** Errors that a person can do something about. */
const TOLD: Readonly<Record<string, string>> = {
  input_audio_buffer_commit_empty: 'Hold the button for as long as you speak.',
};

export type Action =
  | { readonly type: 'connecting' | 'live' }
  | { readonly type: 'over'; readonly problem: string }
  | { readonly type: 'note'; readonly id: string; readonly text: string }
  | { readonly type: 'server'; readonly event: ServerEvent; readonly nowMs: number }
  /** The loudspeaker of this page: so much of an item was heard. */
  | { readonly type: 'played' | 'finished' | 'cut'; readonly item: string; readonly ms: number }
  /** Milliseconds of sound that came for an item. */
  | { readonly type: 'sound'; readonly item: string; readonly ms: number }
  /** The button of hold to talk. */
  | { readonly type: 'press' | 'release' | 'withdraw' }
  /** Time goes by, where the server plays. */
  | { readonly type: 'tick'; readonly nowMs: number };

export function phaseOf(turns: Turns): Phase {
  if (turns.base !== 'live') return turns.base;
  if (turns.talking) return turns.interrupting ? 'interrupted' : turns.sounding === '' ? 'listening' : 'speaking';
  if (turns.sounding !== '') return 'speaking';
  return turns.waiting || turns.responses.length > 0 || turns.lines.some(runs) ? 'thinking' : 'listening';
}

export function reduce(turns: Turns, action: Action): Turns {
  switch (action.type) {
    case 'connecting':
      return { ...still(turns), base: 'connecting', problem: '' };
    case 'live':
      return { ...turns, base: 'live' };
    case 'over':
      return { ...still(turns), base: 'idle', problem: action.problem };
    case 'note':
      return { ...turns, lines: [...turns.lines, { kind: 'note', id: action.id, text: action.text }] };
    case 'server':
      return onServer(turns, action.event, action.nowMs);
    case 'sound':
      return assistant(turns, action.item, (line) => ({ ...line, soundMs: line.soundMs + action.ms, state: begun(line) }));
    case 'played':
      return played(turns, action.item, action.ms);
    case 'finished':
      return wasHeard(turns, action.item, action.ms);
    case 'cut':
      return { ...cutAt(turns, action.item, action.ms), sounding: '' };
    case 'press':
      return { ...turns, talking: true, interrupting: turns.sounding !== '', waiting: false };
    case 'release':
      return { ...turns, talking: false, interrupting: false, waiting: true };
    case 'withdraw':
      return { ...turns, talking: false, interrupting: false };
    case 'tick':
      return ticked(turns, action.nowMs);
  }
}

function onServer(turns: Turns, event: ServerEvent, nowMs: number): Turns {
  switch (event.type) {
    case 'session.created':
      return { ...turns, base: 'live' };
    case 'speech_started':
      return {
        ...put(turns, userLine(event.itemId)),
        talking: true,
        interrupting: turns.sounding !== '',
        waiting: false,
        problem: '',
      };
    case 'speech_stopped':
      return { ...turns, talking: false, interrupting: false, waiting: true };
    case 'user.delta':
      return user(turns, event.itemId, (line) => ({ ...line, text: line.text + event.delta }));
    case 'user.completed':
      return written(turns, event.itemId, event.text);
    case 'user.failed':
      return { ...user(turns, event.itemId, (line) => ({ ...line, partial: false, problem: event.message })), waiting: false };
    case 'item.added':
    case 'item.done':
      return onItem(turns, event.item, event.previousId);
    case 'item.retrieved':
      return retrieved(turns, event.item);
    case 'item.truncated':
      return cutAt(turns, event.itemId, event.endMs);
    case 'item.deleted':
      return { ...turns, lines: turns.lines.filter((line) => line.id !== event.itemId) };
    case 'response.created':
      return { ...turns, responses: [...turns.responses, event.responseId], waiting: false };
    case 'response.done':
      return responseDone(turns, event.responseId, event.status === 'failed' ? event.message || 'The answer failed.' : '');
    case 'words.delta':
      return assistant(turns, event.itemId, (line) => ({ ...line, text: line.text + event.text, responseId: event.responseId }));
    case 'words.done':
      return assistant(turns, event.itemId, (line) => ({ ...line, text: event.text || line.text, responseId: event.responseId }));
    case 'audio.done':
      return assistant(turns, event.itemId, (line) => ({ ...line, complete: true }));
    case 'call.arguments':
      return edit(turns, event.itemId, 'call', (line) => ({ ...line, arguments: line.arguments + event.delta }));
    case 'call.state':
      return edit(turns, event.itemId, 'call', (line) => ({ ...line, state: event.state }));
    case 'playout':
      return onPlayout(turns, event.responseId, event.state, nowMs);
    case 'error':
      return BENIGN.has(event.code) ? turns : { ...turns, waiting: false, problem: TOLD[event.code] ?? event.message };
    default:
      return turns;
  }
}

// -- the person

function written(turns: Turns, id: string, text: string): Turns {
  if (text.trim() === '') {
    // A cough, a door: nothing was said, and nobody will answer.
    return { ...turns, lines: turns.lines.filter((line) => line.id !== id), waiting: false };
  }
  return user(turns, id, (line) => ({ ...line, text, partial: false }));
}

// -- items

function onItem(turns: Turns, item: Item, previousId: string): Turns {
  switch (item.kind) {
    case 'call':
      return known(turns, item.id)
        ? edit(turns, item.id, 'call', (line) => ({ ...line, arguments: item.arguments || line.arguments, ...atLeast(line.state, item) }))
        : put(turns, lineOf(item), previousId);
    case 'output':
      return turns;
    case 'decision':
      return edit(turns, item.request, 'approval', (line) => ({ ...line, decision: item.approve }));
    default:
      return known(turns, item.id) ? turns : put(turns, lineOf(item), previousId);
  }
}

function atLeast(state: 'running' | 'completed' | 'failed', item: { output: string | undefined; error: string | undefined }) {
  const found = outcome(item);
  return found.state === 'running' ? { state } : found;
}

function retrieved(turns: Turns, item: Item): Turns {
  if (item.kind !== 'message' || item.role !== 'assistant') return turns;
  return assistant(turns, item.id, (line) =>
    line.state === 'cut' ? { ...line, heard: heardPrefix(line.text, item.text) } : line,
  );
}

function runs(line: Line): boolean {
  return line.kind === 'call' && line.state === 'running' && line.server !== '';
}

// -- the assistant

function responseDone(turns: Turns, responseId: string, problem: string): Turns {
  const lines = turns.lines.map((line): Line => {
    if (line.kind === 'call' && problem !== '' && line.state === 'running') return { ...line, state: 'failed' };
    if (line.kind !== 'assistant' || line.responseId !== responseId) return line;
    return line.state === 'coming' ? { ...line, state: 'waiting', complete: true } : { ...line, complete: true };
  });
  const responses = turns.responses.filter((each) => each !== responseId);
  return { ...turns, lines, responses, problem: problem || turns.problem };
}

function onPlayout(turns: Turns, responseId: string, state: 'started' | 'stopped' | 'cleared', nowMs: number): Turns {
  const line = turns.lines.findLast((each) => each.kind === 'assistant' && each.responseId === responseId);
  const item = line?.id ?? responseId;
  switch (state) {
    case 'started':
      return { ...assistant(turns, item, (each) => ({ ...each, state: 'playing', beganMs: nowMs })), sounding: item };
    case 'stopped':
      return wasHeard(turns, item, line?.kind === 'assistant' && line.beganMs !== undefined ? nowMs - line.beganMs : 0);
    case 'cleared':
      return { ...turns, sounding: '' }; // the server says next how much was heard
  }
}

function ticked(turns: Turns, nowMs: number): Turns {
  const line = turns.lines.find((each) => each.id === turns.sounding);
  if (line?.kind !== 'assistant' || line.beganMs === undefined || turns.interrupting) return turns;
  return heardUpTo(turns, line.id, nowMs - line.beganMs);
}

/** The loudspeaker's reports are a little late: one may come after the cut. */
function played(turns: Turns, item: string, ms: number): Turns {
  const line = turns.lines.find((each) => each.id === item);
  if (line?.kind === 'assistant' && (line.state === 'cut' || line.state === 'heard')) return turns;
  return { ...heardUpTo(turns, item, ms), sounding: item };
}

function heardUpTo(turns: Turns, item: string, ms: number): Turns {
  return assistant(turns, item, (line) => {
    if (line.state === 'cut' || line.state === 'heard') return line;
    const total = line.complete && line.soundMs > 0 ? line.soundMs : undefined;
    // Never all of it before its end: words that are not spoken yet would show as heard.
    return { ...line, state: 'playing', heard: Math.max(line.heard, heardCharacters(line.text, ms, turns.pace, total)) };
  });
}

function wasHeard(turns: Turns, item: string, ms: number): Turns {
  const line = turns.lines.find((each) => each.id === item);
  const pace = line?.kind === 'assistant' && line.state !== 'cut' ? learned(turns.pace, line.text.length, ms) : turns.pace;
  const heard = assistant(turns, item, (each) => (each.state === 'cut' ? each : { ...each, state: 'heard', heard: each.text.length }));
  return { ...heard, pace, sounding: turns.sounding === item ? '' : turns.sounding };
}

function cutAt(turns: Turns, item: string, ms: number): Turns {
  return assistant(turns, item, (line) => {
    if (line.state === 'heard') return line;
    const total = line.complete && line.soundMs > 0 ? line.soundMs : undefined;
    return { ...line, state: 'cut', heard: heardCharacters(line.text, ms, turns.pace, total) };
  });
}

function begun(line: AssistantLine): AssistantLine['state'] {
  return line.state === 'coming' ? 'waiting' : line.state;
}

// -- lines

function known(turns: Turns, id: string): boolean {
  return turns.lines.some((line) => line.id === id);
}

/** Behind the line of `after`, else at the end. */
function put(turns: Turns, line: Line | undefined, after = ''): Turns {
  if (line === undefined || line.id === '' || known(turns, line.id)) return turns;
  const at = after === '' ? -1 : turns.lines.findIndex((each) => each.id === after);
  return { ...turns, lines: at < 0 ? [...turns.lines, line] : turns.lines.toSpliced(at + 1, 0, line) };
}

function edit<Kind extends Line['kind']>(
  turns: Turns,
  id: string,
  kind: Kind,
  change: (line: Extract<Line, { kind: Kind }>) => Line,
): Turns {
  const isOfKind = (line: Line): line is Extract<Line, { kind: Kind }> => line.kind === kind && line.id === id;
  return { ...turns, lines: turns.lines.map((line) => (isOfKind(line) ? change(line) : line)) };
}

function user(turns: Turns, id: string, change: (line: Extract<Line, { kind: 'user' }>) => Line): Turns {
  return edit(put(turns, userLine(id)), id, 'user', change);
}

function assistant(turns: Turns, id: string, change: (line: AssistantLine) => Line): Turns {
  return edit(put(turns, assistantLine(id)), id, 'assistant', change);
}

/** Nobody talks and nothing sounds; what was under way is left as it is. */
function still(turns: Turns): Turns {
  const lines = turns.lines
    .filter((line) => line.kind !== 'user' || line.text !== '')
    .map((line): Line => {
      if (line.kind === 'user') return { ...line, partial: false };
      if (line.kind === 'assistant' && line.state !== 'heard') return { ...line, state: 'cut' };
      if (line.kind === 'call' && line.state === 'running') return { ...line, state: 'failed' };
      return line;
    });
  return { ...turns, lines, talking: false, interrupting: false, waiting: false, responses: [], sounding: '' };
}
