/** Server events of OpenAI Realtime (GA), as far as the page uses them. Whatever else comes is `other`: shown, never an error. */

import { type Json, list, number, object, parsed, text } from './json.ts';

export type Item =
  | { readonly kind: 'message'; readonly id: string; readonly role: string; readonly text: string; readonly status: string }
  | {
      readonly kind: 'call';
      readonly id: string;
      readonly server: string;
      readonly name: string;
      readonly arguments: string;
      readonly output: string | undefined;
      readonly error: string | undefined;
    }
  | { readonly kind: 'output'; readonly id: string; readonly callId: string; readonly output: string }
  | { readonly kind: 'approval'; readonly id: string; readonly server: string; readonly name: string; readonly arguments: string }
  | { readonly kind: 'decision'; readonly id: string; readonly request: string; readonly approve: boolean }
  | { readonly kind: 'other'; readonly id: string };

export type ResponseStatus = 'completed' | 'cancelled' | 'incomplete' | 'failed';

export type ServerEvent =
  | { readonly type: 'session.created' | 'session.updated'; readonly sessionId: string; readonly expiresAt: number }
  | { readonly type: 'speech_started' | 'speech_stopped'; readonly itemId: string; readonly atMs: number }
  | { readonly type: 'committed'; readonly itemId: string }
  | { readonly type: 'user.delta'; readonly itemId: string; readonly delta: string }
  | { readonly type: 'user.completed'; readonly itemId: string; readonly text: string }
  | { readonly type: 'user.failed'; readonly itemId: string; readonly message: string }
  | { readonly type: 'item.added' | 'item.done' | 'item.retrieved'; readonly previousId: string; readonly item: Item }
  | { readonly type: 'item.truncated'; readonly itemId: string; readonly endMs: number }
  | { readonly type: 'item.deleted'; readonly itemId: string }
  | { readonly type: 'response.created'; readonly responseId: string }
  | {
      readonly type: 'response.done';
      readonly responseId: string;
      readonly status: ResponseStatus;
      readonly message: string;
      readonly items: readonly Item[];
    }
  | { readonly type: 'audio.delta'; readonly responseId: string; readonly itemId: string; readonly audio: string }
  | { readonly type: 'audio.done'; readonly responseId: string; readonly itemId: string }
  | { readonly type: 'words.delta' | 'words.done'; readonly responseId: string; readonly itemId: string; readonly text: string }
  | { readonly type: 'call.arguments'; readonly itemId: string; readonly delta: string }
  | { readonly type: 'call.state'; readonly itemId: string; readonly state: 'running' | 'completed' | 'failed' }
  | { readonly type: 'playout'; readonly responseId: string; readonly state: 'started' | 'stopped' | 'cleared' }
  | { readonly type: 'error'; readonly code: string; readonly message: string }
  | { readonly type: 'other'; readonly name: string };

type Reader = (json: Json) => ServerEvent;

const READERS: Readonly<Record<string, Reader>> = {
  'session.created': (json) => session('session.created', json),
  'session.updated': (json) => session('session.updated', json),
  'input_audio_buffer.speech_started': (json) => ({ type: 'speech_started', ...itemId(json), atMs: number(json, 'audio_start_ms') }),
  'input_audio_buffer.speech_stopped': (json) => ({ type: 'speech_stopped', ...itemId(json), atMs: number(json, 'audio_end_ms') }),
  'input_audio_buffer.committed': (json) => ({ type: 'committed', ...itemId(json) }),
  'conversation.item.input_audio_transcription.delta': (json) => ({ type: 'user.delta', ...itemId(json), delta: text(json, 'delta') }),
  'conversation.item.input_audio_transcription.completed': (json) => ({
    type: 'user.completed',
    ...itemId(json),
    text: text(json, 'transcript'),
  }),
  'conversation.item.input_audio_transcription.failed': (json) => ({
    type: 'user.failed',
    ...itemId(json),
    message: text(object(json['error']), 'message'),
  }),
  'conversation.item.added': (json) => ({ type: 'item.added', ...itemOf(json) }),
  'conversation.item.done': (json) => ({ type: 'item.done', ...itemOf(json) }),
  'conversation.item.retrieved': (json) => ({ type: 'item.retrieved', ...itemOf(json) }),
  'conversation.item.truncated': (json) => ({ type: 'item.truncated', ...itemId(json), endMs: number(json, 'audio_end_ms') }),
  'conversation.item.deleted': (json) => ({ type: 'item.deleted', ...itemId(json) }),
  'response.created': (json) => ({ type: 'response.created', responseId: text(object(json['response']), 'id') }),
  'response.done': (json) => responseDone(object(json['response'])),
  'response.output_audio.delta': (json) => ({ type: 'audio.delta', ...place(json), audio: text(json, 'delta') }),
  'response.output_audio.done': (json) => ({ type: 'audio.done', ...place(json) }),
  'response.output_audio_transcript.delta': (json) => ({ type: 'words.delta', ...place(json), text: text(json, 'delta') }),
  'response.output_audio_transcript.done': (json) => ({ type: 'words.done', ...place(json), text: text(json, 'transcript') }),
  'response.output_text.delta': (json) => ({ type: 'words.delta', ...place(json), text: text(json, 'delta') }),
  'response.output_text.done': (json) => ({ type: 'words.done', ...place(json), text: text(json, 'text') }),
  'response.function_call_arguments.delta': (json) => ({ type: 'call.arguments', ...itemId(json), delta: text(json, 'delta') }),
  'response.mcp_call_arguments.delta': (json) => ({ type: 'call.arguments', ...itemId(json), delta: text(json, 'delta') }),
  'response.mcp_call.in_progress': (json) => ({ type: 'call.state', ...itemId(json), state: 'running' }),
  'response.mcp_call.completed': (json) => ({ type: 'call.state', ...itemId(json), state: 'completed' }),
  'response.mcp_call.failed': (json) => ({ type: 'call.state', ...itemId(json), state: 'failed' }),
  'output_audio_buffer.started': (json) => playout(json, 'started'),
  'output_audio_buffer.stopped': (json) => playout(json, 'stopped'),
  'output_audio_buffer.cleared': (json) => playout(json, 'cleared'),
  error: (json) => ({ type: 'error', code: text(object(json['error']), 'code'), message: text(object(json['error']), 'message') }),
};

/** Of a message on the wire; undefined where it is no event at all. */
export function readEvent(message: string): ServerEvent | undefined {
  const json = parsed(message);
  const name = text(json, 'type');
  if (json === undefined || name === '') return undefined;
  return (Object.hasOwn(READERS, name) ? READERS[name] : undefined)?.(json) ?? { type: 'other', name };
}

export function readItem(json: Json | undefined): Item {
  const id = text(json, 'id');
  switch (text(json, 'type')) {
    case 'message':
      return { kind: 'message', id, role: text(json, 'role'), text: words(json), status: text(json, 'status') };
    case 'function_call':
      return { kind: 'call', id, server: '', ...called(json), output: undefined, error: undefined };
    case 'mcp_call': {
      const output = json?.['output'];
      const error = object(json?.['error']);
      return {
        kind: 'call',
        id,
        server: text(json, 'server_label'),
        ...called(json),
        output: typeof output === 'string' ? output : undefined,
        error: error === undefined ? undefined : text(error, 'message') || 'failed',
      };
    }
    case 'function_call_output':
      return { kind: 'output', id, callId: text(json, 'call_id'), output: text(json, 'output') };
    case 'mcp_approval_request':
      return { kind: 'approval', id, server: text(json, 'server_label'), ...called(json) };
    case 'mcp_approval_response':
      return { kind: 'decision', id, request: text(json, 'approval_request_id'), approve: json?.['approve'] === true };
    default:
      return { kind: 'other', id };
  }
}

function called(json: Json | undefined): { name: string; arguments: string } {
  return { name: text(json, 'name'), arguments: text(json, 'arguments') };
}

function words(json: Json | undefined): string {
  return list(json, 'content')
    .map((part) => text(part, 'transcript') || text(part, 'text'))
    .filter((part) => part !== '')
    .join('\n');
}

function session(type: 'session.created' | 'session.updated', json: Json): ServerEvent {
  const shown = object(json['session']);
  return { type, sessionId: text(shown, 'id'), expiresAt: number(shown, 'expires_at') };
}

function responseDone(response: Json | undefined): ServerEvent {
  const status = text(response, 'status');
  const known: readonly ResponseStatus[] = ['completed', 'cancelled', 'incomplete', 'failed'];
  return {
    type: 'response.done',
    responseId: text(response, 'id'),
    status: known.find((each) => each === status) ?? 'completed',
    message: text(object(object(response?.['status_details'])?.['error']), 'message'),
    items: list(response, 'output').map(readItem),
  };
}

function playout(json: Json, state: 'started' | 'stopped' | 'cleared'): ServerEvent {
  return { type: 'playout', responseId: text(json, 'response_id'), state };
}

function itemId(json: Json): { itemId: string } {
  return { itemId: text(json, 'item_id') };
}

function place(json: Json): { responseId: string; itemId: string } {
  return { responseId: text(json, 'response_id'), itemId: text(json, 'item_id') };
}

function itemOf(json: Json): { previousId: string; item: Item } {
  return { previousId: text(json, 'previous_item_id'), item: readItem(object(json['item'])) };
}
