import type { Conversation } from '../adapters/conversation.ts';

export interface ViewProps {
  readonly conversation: Conversation;
  /** Show another view; loading it anew would end the conversation. */
  readonly go: (to: string) => void;
}
