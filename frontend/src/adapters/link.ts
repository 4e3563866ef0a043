/** What carries a call: events both ways, sound from the microphone and to the loudspeaker. */

import type { ClientEvent } from '../protocol/commands.ts';

export type Transport = 'webrtc' | 'websocket';

export interface LinkEvents {
  /** Sound that the link sent by itself. */
  sent(event: ClientEvent): void;
  /** A message of the server, as it is. */
  message(text: string): void;
  /** It is dead; told once, never after it was closed from here. `again`: it is worth trying once more. */
  lost(reason: string, again: boolean): void;
}

export interface Link {
  readonly transport: Transport;
  send(event: ClientEvent): void;
  /** Sound of an item; only where the page plays. */
  play?(item: string, samples: Int16Array<ArrayBuffer>): void;
  /** All of its sound has come. */
  end?(item: string): void;
  /** Be silent now. */
  cut?(): void;
  /** Another microphone; undefined: none. */
  hear(stream: MediaStream): Promise<void>;
  /** Another loudspeaker. */
  speakThrough(deviceId: string): Promise<void>;
  /** Its sound, for the meter. */
  readonly output: AudioNode;
}
