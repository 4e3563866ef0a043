/** Whether new conversations are kept: as this browser was told, else as the server's settings say. */

import { object, text } from '../protocol/json.ts';
import { ask } from './api.ts';
import type { Conversation } from './conversation.ts';

const KEPT = 'voicemode.incognito';

/** Incognito until it is known that it need not be. */
export async function rememberMemory(conversation: Conversation): Promise<void> {
  const chosen = localStorage.getItem(KEPT);
  if (chosen !== null) {
    conversation.incognito(chosen !== 'false');
    return;
  }
  conversation.incognito(true);
  const told = object(await ask('GET', '/api/page').catch(() => undefined));
  if (localStorage.getItem(KEPT) === null && text(told, 'memory') === 'persistent') conversation.incognito(false);
}

export function chooseMemory(conversation: Conversation, incognito: boolean): void {
  localStorage.setItem(KEPT, String(incognito));
  conversation.incognito(incognito);
}
