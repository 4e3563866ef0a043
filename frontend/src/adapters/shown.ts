/** What the views show of a conversation. */

import type { TurnTaking } from '../protocol/commands.ts';
import { NEW_TURNS, type Turns } from '../turn/state.ts';
import { type Devices, NO_DEVICES } from './devices.ts';
import type { Transport } from './link.ts';

export interface Shown {
  readonly turns: Turns;
  readonly transport: Transport | undefined;
  readonly muted: boolean;
  readonly mode: TurnTaking;
  readonly microphone: boolean;
  readonly incognito: boolean;
  readonly thread: string;
  readonly devices: Devices;
  readonly input: string;
  readonly output: string;
}

export const FIRST: Shown = {
  turns: NEW_TURNS,
  transport: undefined,
  muted: false,
  mode: 'open',
  microphone: false,
  incognito: false,
  thread: '',
  devices: NO_DEVICES,
  input: '',
  output: '',
};
