/** A call over WebSocket: the page captures, and plays. */

import { toBase64 } from '../audio/pcm.ts';
import { append } from '../protocol/commands.ts';
import captureUrl from './capture.worklet.ts?worker&url';
import type { Disposables } from './disposables.ts';
import type { Link, LinkEvents } from './link.ts';
import playerUrl from './player.worklet.ts?worker&url';
import type { FromPlayer, ToPlayer } from './player_messages.ts';

/** So much may wait to be sent; then sound is dropped, since it would arrive seconds late. */
const BACKLOG_BYTES = 1 << 20;
/** Closes after which another try makes sense: RFC 6455's going away, abnormal, server error, restart, try again. */
const AGAIN = new Set([1001, 1005, 1006, 1011, 1012, 1013]);

export interface PlayerEvents {
  played(item: string, ms: number): void;
  finished(item: string, ms: number): void;
  cut(item: string, ms: number): void;
}

export interface WebSocketOptions {
  /** Of the session. A page can set no header on a WebSocket, so it is offered as a subprotocol, as with OpenAI. */
  readonly secret: string;
  readonly context: AudioContext;
  /** None where the person types only. */
  readonly stream: MediaStream | undefined;
  readonly owner: Disposables;
  readonly events: LinkEvents & PlayerEvents;
}

/** Open it. Rejects if it does not come about; whatever was opened belongs to the owner. */
export async function openWebSocket(options: WebSocketOptions): Promise<Link> {
  const { context, owner, events } = options;
  await Promise.all([context.audioWorklet.addModule(captureUrl), context.audioWorklet.addModule(playerUrl)]);
  const player = new AudioWorkletNode(context, 'voicemode-player', { numberOfInputs: 0, outputChannelCount: [1] });
  const tell = (message: ToPlayer) => player.port.postMessage(message);
  player.port.onmessage = ({ data }: MessageEvent<FromPlayer>) => {
    if (owner.closed) return;
    // What left the queue is heard when it has passed the device's buffer.
    const latencyMs = 1000 * ((context.outputLatency || 0) + (context.baseLatency || 0));
    events[data.kind](data.item, Math.max(0, data.kind === 'finished' ? data.ms : data.ms - latencyMs));
  };
  player.connect(context.destination);
  owner.add(() => {
    tell({ kind: 'close' });
    player.port.onmessage = null;
    player.port.close();
    player.disconnect();
  });

  const socket = await connected(options.secret, owner, events);
  let capture: AudioWorkletNode | undefined;
  let source: MediaStreamAudioSourceNode | undefined;
  const hear = (stream: MediaStream) => {
    capture ??= captured(context, socket, events);
    source?.disconnect();
    source = context.createMediaStreamSource(stream);
    source.connect(capture);
  };
  if (options.stream !== undefined) hear(options.stream);
  owner.add(() => {
    source?.disconnect();
    capture?.port.postMessage('end');
    capture?.port.close();
    capture?.disconnect();
  });

  let cuts = 0;
  return {
    transport: 'websocket',
    send: (event) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(event));
    },
    play: (item, samples) => player.port.postMessage({ kind: 'sound', item, samples } satisfies ToPlayer, [samples.buffer]),
    end: (item) => tell({ kind: 'end', item }),
    cut: () => {
      cuts += 1;
      tell({ kind: 'cut', number: cuts });
    },
    hear: (stream) => Promise.resolve(hear(stream)),
    speakThrough: async (deviceId) => {
      if ('setSinkId' in context) await (context.setSinkId as (id: string) => Promise<void>).call(context, deviceId);
    },
    output: player,
  };
}

/** What it is given goes to the server. */
function captured(context: AudioContext, socket: WebSocket, events: LinkEvents): AudioWorkletNode {
  const capture = new AudioWorkletNode(context, 'voicemode-capture', { numberOfInputs: 1, numberOfOutputs: 1 });
  capture.port.onmessage = ({ data }: MessageEvent<Int16Array>) => {
    if (socket.readyState !== WebSocket.OPEN || socket.bufferedAmount > BACKLOG_BYTES) return;
    const event = append(toBase64(data));
    socket.send(JSON.stringify(event));
    events.sent(event);
  };
  // Nodes that lead nowhere are not run. Its output is silent.
  capture.connect(context.destination);
  return capture;
}

function connected(secret: string, owner: Disposables, events: LinkEvents): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const url = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/v1/realtime`;
    const socket = new WebSocket(url, ['realtime', `openai-insecure-api-key.${secret}`]);
    let open = false;
    owner.listen(socket, 'open', () => {
      open = true;
      resolve(socket);
    });
    owner.listen(socket, 'message', (event) => {
      const data: unknown = (event as MessageEvent).data;
      if (typeof data === 'string') events.message(data);
    });
    // An error is always followed by a close, which alone counts.
    owner.listen(socket, 'close', (event) => {
      const { code, reason } = event as CloseEvent;
      if (open) events.lost(reason || `the connection closed (${code})`, AGAIN.has(code));
      else reject(new Error('The server did not take the connection.'));
    });
    owner.add(() => {
      socket.close(1000);
      reject(new DOMException('left during set-up', 'AbortError'));
    });
  });
}
