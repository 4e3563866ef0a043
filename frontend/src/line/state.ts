/** What the page shows of agents that talk through it. */

import { USUAL_PACE, heardCharacters, heardPrefix, learned } from '../turn/heard.ts';
import { PLAY_RATE, type ToPage } from './wire.ts';

/** Captions that are kept: a conversation of twenty turns. */
const MOST = 40;

export interface Caption {
  readonly key: string;
  readonly mine: boolean;
  readonly text: string;
  /** Characters of it that were heard; all of them once it was said whole. */
  readonly heard: number;
  readonly cut: boolean;
}

export type AgentPhase = 'idle' | 'waiting' | 'speaking' | 'listening' | 'hearing' | 'thinking' | 'interrupted';

export interface LineState {
  /** Whether the server is reached. */
  readonly connected: boolean;
  /** The person allowed agents to talk. */
  readonly ready: boolean;
  /** The person has just pressed the button. */
  readonly starting: boolean;
  /** Who would like to talk; empty: nobody. */
  readonly ringing: string;
  /** Who talks; empty: nobody. */
  readonly agent: string;
  readonly phase: AgentPhase;
  readonly paused: boolean;
  /** What was understood of the person so far. */
  readonly words: string;
  readonly captions: readonly Caption[];
  readonly problem: string;
  /** Milliseconds a letter takes in this voice. */
  readonly pace: number;
}

export const NEW_LINE: LineState = {
  connected: false,
  ready: false,
  starting: false,
  ringing: '',
  agent: '',
  phase: 'idle',
  paused: false,
  words: '',
  captions: [],
  problem: '',
  pace: USUAL_PACE,
};

export type LineAction =
  | { readonly type: 'connected' | 'disconnected' | 'starting' | 'ready' | 'unready' }
  | { readonly type: 'problem'; readonly problem: string }
  | { readonly type: 'paused'; readonly paused: boolean }
  | { readonly type: 'played'; readonly position: number }
  | { readonly type: 'message'; readonly message: ToPage };

const PHASES: readonly string[] = ['waiting', 'speaking', 'listening', 'hearing', 'thinking', 'interrupted'];

export function reduceLine(state: LineState, action: LineAction): LineState {
  switch (action.type) {
    case 'connected':
      return { ...state, connected: true };
    case 'disconnected':
      return { ...state, ...SILENT, connected: false, ringing: '' };
    case 'starting':
      return { ...state, starting: true, problem: '' };
    case 'ready':
      return { ...state, starting: false, ready: true, ringing: '' };
    case 'unready':
      return { ...state, ...SILENT, starting: false, ready: false };
    case 'problem':
      return { ...state, problem: action.problem };
    case 'paused':
      return { ...state, paused: action.paused };
    case 'played':
      return played(state, (action.position / PLAY_RATE) * 1000);
    case 'message':
      return told(state, action.message);
  }
}

const SILENT = { agent: '', phase: 'idle', paused: false, words: '' } as const;

function told(state: LineState, message: ToPage): LineState {
  switch (message.type) {
    case 'ring':
      return { ...state, ringing: state.ready ? '' : message.agent };
    case 'begin':
      return { ...state, ...SILENT, agent: message.agent, ringing: '', problem: '' };
    case 'end':
      return { ...state, ...SILENT };
    case 'state':
      if (!PHASES.includes(message.state)) return state;
      return { ...state, phase: message.state as AgentPhase, paused: false, words: message.state === 'listening' ? '' : state.words };
    case 'words':
      return { ...state, words: message.text };
    case 'said':
      return caption(state, message);
    default:
      return state;
  }
}

function caption(state: LineState, said: Extract<ToPage, { type: 'said' }>): LineState {
  const mine = said.role === 'user';
  const before = state.captions.find((each) => each.key === said.key);
  const { text, heard, cut } = reading(said, before);
  if (text === '') return state;
  const captions = [...state.captions.filter((each) => each.key !== said.key || each === before)];
  const now = { key: said.key, mine, text, heard, cut };
  const at = before === undefined ? -1 : captions.indexOf(before);
  if (at < 0) captions.push(now);
  else captions[at] = now;
  return { ...state, captions: captions.slice(-MOST), words: mine ? '' : state.words };
}

function reading(said: Extract<ToPage, { type: 'said' }>, before: Caption | undefined): Pick<Caption, 'text' | 'heard' | 'cut'> {
  const whole = before?.text ?? said.text;
  switch (said.standing) {
    case 'in_flight':
      return { text: said.text, heard: 0, cut: false };
    case 'interrupted':
      return { text: whole, heard: said.role === 'user' ? whole.length : heardPrefix(whole, said.text), cut: said.role !== 'user' };
    case 'failed':
    case 'lost':
      return { text: whole, heard: before?.heard ?? 0, cut: true };
    default:
      return { text: said.text, heard: said.text.length, cut: false };
  }
}

/** The caption of what is being said, as far as it was heard. */
function played(state: LineState, ms: number): LineState {
  const last = state.captions.at(-1);
  if (last === undefined || last.mine || last.cut || last.heard === last.text.length || state.phase !== 'speaking') return state;
  const heard = Math.max(last.heard, heardCharacters(last.text, ms, state.pace));
  const pace = heard === last.text.length ? learned(state.pace, last.text.length, ms) : state.pace;
  if (heard === last.heard) return state;
  return { ...state, pace, captions: [...state.captions.slice(0, -1), { ...last, heard }] };
}
