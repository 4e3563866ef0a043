/** Client events of OpenAI Realtime (GA), as far as the page sends them. */

import type { Json } from './json.ts';

export type ClientEvent = Json & { readonly type: string };

/** Hz of the sound in both directions over WebSocket: the only rate that the protocol has for PCM. */
export const WIRE_RATE = 24_000;

export type TurnTaking = 'open' | 'hold';

/** Who says that a turn is over: the server, or the person who lets go of the button. */
export function sessionUpdate(turns: TurnTaking): ClientEvent {
  const detection = turns === 'open' ? { type: 'semantic_vad', create_response: true, interrupt_response: true } : null;
  return {
    type: 'session.update',
    session: { type: 'realtime', audio: { input: { transcription: { model: 'whisper-1' }, turn_detection: detection } } },
  };
}

export function append(audio: string): ClientEvent {
  return { type: 'input_audio_buffer.append', audio };
}

export const commit: ClientEvent = { type: 'input_audio_buffer.commit' };
export const clearInput: ClientEvent = { type: 'input_audio_buffer.clear' };
export const clearOutput: ClientEvent = { type: 'output_audio_buffer.clear' };
export const respond: ClientEvent = { type: 'response.create' };
export const cancel: ClientEvent = { type: 'response.cancel' };

export function truncate(itemId: string, endMs: number): ClientEvent {
  return { type: 'conversation.item.truncate', item_id: itemId, content_index: 0, audio_end_ms: Math.max(0, Math.round(endMs)) };
}

export function retrieve(itemId: string): ClientEvent {
  return { type: 'conversation.item.retrieve', item_id: itemId };
}

export function say(role: 'user' | 'assistant', text: string): ClientEvent {
  const part = { type: role === 'user' ? 'input_text' : 'output_text', text };
  return { type: 'conversation.item.create', item: { type: 'message', role, content: [part] } };
}

export function decide(requestId: string, approve: boolean): ClientEvent {
  return {
    type: 'conversation.item.create',
    item: { type: 'mcp_approval_response', approval_request_id: requestId, approve },
  };
}
