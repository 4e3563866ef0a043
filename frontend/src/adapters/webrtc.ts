/** A call over WebRTC: the browser carries the sound both ways, the server knows what was played. */

import type { ClientEvent } from '../protocol/commands.ts';
import type { Disposables } from './disposables.ts';
import type { Link, LinkEvents } from './link.ts';

/** The browser may find more addresses for as long as this; those of this machine come within milliseconds. */
const GATHER_MS = 500;

const CALLS = '/v1/realtime/calls';

export interface WebRtcOptions {
  /** Of the session. */
  readonly secret: string;
  readonly context: AudioContext;
  readonly stream: MediaStream;
  readonly owner: Disposables;
  readonly events: LinkEvents;
}

/** Open it. Rejects if it does not come about; whatever was opened belongs to the owner. */
export async function openWebRtc({ secret, context, stream, owner, events }: WebRtcOptions): Promise<Link> {
  const connection = new RTCPeerConnection();
  owner.add(() => connection.close());
  const left = new AbortController();
  owner.add(() => left.abort(new DOMException('left during set-up', 'AbortError')));

  const sender = addMicrophone(connection, stream);
  const { element, output } = remoteSound(connection, context, owner);
  const channel = connection.createDataChannel('oai-events');
  owner.add(() => channel.close());
  owner.listen(channel, 'message', (event) => events.message(String((event as MessageEvent).data)));

  await connection.setLocalDescription(await connection.createOffer());
  await gathered(connection, owner);
  const response = await fetch(CALLS, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp', authorization: `Bearer ${secret}` },
    body: connection.localDescription?.sdp ?? '',
    signal: left.signal,
    credentials: 'same-origin',
  });
  const answer = await response.text();
  if (response.status !== 201) throw new Error(`The server did not take the call (${response.status}).`);
  const place = response.headers.get('location');
  // Closing a peer connection is noticed by the other side only after a while.
  if (place !== null) owner.add(() => hangUp(place));
  if (owner.closed) throw left.signal.reason;
  await connection.setRemoteDescription({ type: 'answer', sdp: answer });
  await opened(connection, channel, owner);
  watch(connection, channel, owner, events);
  return {
    transport: 'webrtc',
    send: (event: ClientEvent) => {
      if (channel.readyState === 'open') channel.send(JSON.stringify(event));
    },
    hear: async (other) => sender.replaceTrack(other.getAudioTracks()[0] ?? null),
    speakThrough: async (deviceId) => {
      if ('setSinkId' in element) await element.setSinkId(deviceId);
    },
    output,
  };
}

function addMicrophone(connection: RTCPeerConnection, stream: MediaStream): RTCRtpSender {
  const [track] = stream.getAudioTracks();
  if (track === undefined) throw new Error('There is no microphone.');
  return connection.addTrack(track, stream);
}

/** Its element plays it, and a node feeds the meter: Chromium gives a node sound only where an element plays it too. */
function remoteSound(connection: RTCPeerConnection, context: AudioContext, owner: Disposables) {
  const element = new Audio();
  element.autoplay = true;
  const output = context.createGain();
  let source: MediaStreamAudioSourceNode | undefined;
  owner.listen(connection, 'track', (event) => {
    const { streams, track } = event as RTCTrackEvent;
    const stream = streams[0] ?? new MediaStream([track]);
    element.srcObject = stream;
    void element.play().catch(() => undefined); // not allowed without a gesture; there was one
    source = context.createMediaStreamSource(stream);
    source.connect(output);
    owner.add(() => track.stop());
  });
  owner.add(() => {
    source?.disconnect();
    output.disconnect();
    element.pause();
    element.srcObject = null;
  });
  return { element, output };
}

function gathered(connection: RTCPeerConnection, owner: Disposables): Promise<void> {
  if (connection.iceGatheringState === 'complete') return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, GATHER_MS);
    owner.add(() => {
      clearTimeout(timer);
      resolve();
    });
    owner.listen(connection, 'icegatheringstatechange', () => {
      if (connection.iceGatheringState !== 'complete') return;
      clearTimeout(timer);
      resolve();
    });
  });
}

function opened(connection: RTCPeerConnection, channel: RTCDataChannel, owner: Disposables): Promise<void> {
  return new Promise((resolve, reject) => {
    if (channel.readyState === 'open') resolve();
    owner.listen(channel, 'open', () => resolve());
    owner.listen(connection, 'connectionstatechange', () => {
      if (connection.connectionState === 'failed') reject(new Error('No way to the server was found.'));
    });
    owner.add(() => reject(new DOMException('left during set-up', 'AbortError')));
  });
}

/** Whichever is noticed first counts, once. */
function watch(connection: RTCPeerConnection, channel: RTCDataChannel, owner: Disposables, events: LinkEvents): void {
  let told = false;
  const lost = (reason: string) => {
    if (told || owner.closed) return;
    told = true;
    events.lost(reason, true);
  };
  owner.listen(channel, 'close', () => lost('the server ended the call'));
  owner.listen(connection, 'connectionstatechange', () => {
    if (connection.connectionState === 'failed') lost('the way to the server broke off');
  });
}

function hangUp(place: string): void {
  const path = new URL(place, location.href).pathname;
  void fetch(`${path}/hangup`, { method: 'POST', keepalive: true, credentials: 'same-origin' }).catch(() => undefined);
}
