/** Opens the line of a call: WebRTC, and WebSocket where that does not come about in time. */

import { beginSession } from './api.ts';
import type { Disposables } from './disposables.ts';
import type { Link, LinkEvents, Transport } from './link.ts';
import type { Studio } from './studio.ts';
import { openWebRtc } from './webrtc.ts';
import { type PlayerEvents, openWebSocket } from './websocket.ts';

/** WebRTC takes under a second on a good network; a person waits this long for the rest. */
const PATIENCE_MS = 4000;

export interface LineOptions {
  readonly studio: Studio;
  readonly owner: Disposables;
  readonly events: LinkEvents & PlayerEvents;
  readonly incognito: boolean;
  /** To go on with; empty: a new one. */
  readonly thread: string;
  /** Undefined: whichever works. */
  readonly transport: Transport | undefined;
}

export interface Line {
  readonly link: Link;
  readonly thread: string;
}

/** Rejects if there is no way. Whatever was opened belongs to the owner. */
export async function openLine({ studio, owner, events, incognito, thread, transport }: LineOptions): Promise<Line> {
  const left = new AbortController();
  owner.add(() => left.abort());
  const begun = await beginSession(incognito, thread, left.signal);
  const { context, stream } = studio;
  if (transport !== 'websocket' && stream !== undefined && 'RTCPeerConnection' in globalThis) {
    const own = owner.child();
    try {
      const link = await within(PATIENCE_MS, openWebRtc({ secret: begun.secret, context, stream, owner: own, events }), own);
      return { link, thread: begun.thread };
    } catch (error) {
      own.close();
      if (owner.closed || transport === 'webrtc') throw error;
    }
  }
  const link = await openWebSocket({ secret: begun.secret, context, stream, owner, events });
  return { link, thread: begun.thread };
}

async function within<Result>(ms: number, result: Promise<Result>, owner: Disposables): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('It took too long.')), ms);
    owner.add(() => clearTimeout(timer));
  });
  try {
    return await Promise.race([result, late]);
  } finally {
    clearTimeout(timer);
  }
}
