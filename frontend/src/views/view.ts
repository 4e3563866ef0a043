import type { Conversation } from '../adapters/conversation.ts';

export interface ViewProps {
  readonly conversation: Conversation;
}
