/** What a conversation shows, in the order of its items. */

import type { Item } from '../protocol/events.ts';

export interface UserLine {
  readonly kind: 'user';
  readonly id: string;
  readonly text: string;
  /** More words may come. */
  readonly partial: boolean;
  readonly typed: boolean;
  /** Why nobody could write it down. */
  readonly problem: string;
}

export interface AssistantLine {
  readonly kind: 'assistant';
  readonly id: string;
  readonly responseId: string;
  readonly text: string;
  /** Characters of `text` that reached the person's ears. */
  readonly heard: number;
  /** `waiting` has sound that nobody heard yet; `cut` was interrupted, and what comes after `heard` never will be. */
  readonly state: 'coming' | 'waiting' | 'playing' | 'heard' | 'cut';
  /** Milliseconds of its sound that have come; 0 where sound does not come through here. */
  readonly soundMs: number;
  /** All of its sound has come. */
  readonly complete: boolean;
  /** When it began to sound, where only its beginning and end are told. */
  readonly beganMs: number | undefined;
}

export interface CallLine {
  readonly kind: 'call';
  readonly id: string;
  readonly server: string;
  readonly name: string;
  readonly arguments: string;
  readonly state: 'running' | 'completed' | 'failed';
  readonly output: string;
}

export interface ApprovalLine {
  readonly kind: 'approval';
  readonly id: string;
  readonly server: string;
  readonly name: string;
  readonly arguments: string;
  readonly decision: boolean | undefined;
}

export interface NoteLine {
  readonly kind: 'note';
  readonly id: string;
  readonly text: string;
}

export type Line = UserLine | AssistantLine | CallLine | ApprovalLine | NoteLine;

export function userLine(id: string, more: Partial<UserLine> = {}): UserLine {
  return { kind: 'user', id, text: '', partial: true, typed: false, problem: '', ...more };
}

export function assistantLine(id: string, more: Partial<AssistantLine> = {}): AssistantLine {
  return {
    kind: 'assistant',
    id,
    responseId: '',
    text: '',
    heard: 0,
    state: 'coming',
    soundMs: 0,
    complete: false,
    beganMs: undefined,
    ...more,
  };
}

/** The line of an item that is new in the conversation; undefined for items that are not shown. */
export function lineOf(item: Item): Line | undefined {
  switch (item.kind) {
    case 'message':
      if (item.role === 'user') return userLine(item.id, { text: item.text, partial: item.text === '', typed: item.text !== '' });
      if (item.role === 'assistant') return assistantLine(item.id, said(item.text, item.status));
      return undefined;
    case 'call':
      return { kind: 'call', id: item.id, server: item.server, name: item.name, arguments: item.arguments, ...outcome(item) };
    case 'approval':
      return { kind: 'approval', id: item.id, server: item.server, name: item.name, arguments: item.arguments, decision: undefined };
    default:
      return undefined;
  }
}

function said(words: string, status: string): Partial<AssistantLine> {
  return status === 'in_progress' ? {} : { text: words, heard: words.length, state: 'heard' };
}

/** Where a call of a tool stands. */
export function outcome(item: { output: string | undefined; error: string | undefined }): Pick<CallLine, 'state' | 'output'> {
  if (item.error !== undefined) return { state: 'failed', output: item.error };
  return item.output === undefined ? { state: 'running', output: '' } : { state: 'completed', output: item.output };
}
