/**
 * The page as an agent's sound card: what it opens and plays is told by the agent's process, through the server. The person presses a
 * button first, since no browser plays or listens before that; from then on nothing leaves the page but while an agent listens.
 */

import { type LineAction, type LineState, NEW_LINE, reduceLine } from '../line/state.ts';
import { CAPTURE_RATE, type FromPage, type ToPage, readMessage, readSound, writeSound } from '../line/wire.ts';
import captureUrl from './capture.worklet.ts?worker&url';
import { Disposables } from './disposables.ts';
import type { FromLinePlayer, ToLinePlayer } from './line_player.worklet.ts';
import playerUrl from './line_player.worklet.ts?worker&url';
import { Studio } from './studio.ts';

const RETRY_MS = [300, 1000, 2000, 5000] as const;
/** So much may wait to be sent; then sound is dropped, since it would arrive seconds late. */
const BACKLOG_BYTES = 1 << 20;

interface Devices {
  readonly owner: Disposables;
  readonly studio: Studio;
  readonly player: AudioWorkletNode;
}

export class AgentLine {
  #state = NEW_LINE;
  #watchers = new Set<() => void>();
  #line: Disposables | undefined;
  #socket: WebSocket | undefined;
  #tries = 0;
  #devices: Devices | undefined;
  /** Of a press of the button that is under way. */
  #starting: Disposables | undefined;
  #microphone = { run: -1, position: 0 };
  /** Runs whose cut the agent waits for. */
  #cuts = new Set<number>();

  // -- for React's useSyncExternalStore

  readonly subscribe = (watcher: () => void): (() => void) => {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  };

  readonly shown = (): LineState => this.#state;

  get levels(): { input: number; output: number } {
    return this.#devices?.studio.levels ?? { input: 0, output: 0 };
  }

  /** What is open, for those who look for leaks. */
  get open(): number {
    return (this.#line?.size ?? 0) + (this.#devices?.owner.size ?? 0);
  }

  // -- what the person does

  /** Be there for agents. Idempotent. */
  connect(): void {
    if (this.#line !== undefined) return;
    const owner = new Disposables();
    this.#line = owner;
    const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/page/line`);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    owner.listen(socket, 'open', () => this.#opened());
    owner.listen(socket, 'message', (event) => this.#received((event as MessageEvent<unknown>).data));
    // An error is always followed by a close, which alone counts.
    owner.listen(socket, 'close', () => this.#lost(owner));
    owner.add(() => socket.close(1000));
  }

  /** Let agents talk. Within a click or key press; a second one while it runs changes nothing. */
  async allow(): Promise<void> {
    if (this.#starting !== undefined || this.#devices !== undefined) return;
    const owner = new Disposables();
    this.#starting = owner;
    this.#act({ type: 'starting' });
    try {
      const devices = await this.#openDevices(owner);
      if (owner.closed) return;
      this.#devices = devices;
      this.#act({ type: 'ready' });
      this.#tell({ type: 'ready', page: browserName() });
    } catch (error) {
      if (owner.closed) return;
      owner.close();
      this.#act({ type: 'unready' });
      this.#act({ type: 'problem', problem: error instanceof Error ? error.message : String(error) });
    } finally {
      if (this.#starting === owner) this.#starting = undefined;
    }
  }

  /** No agent may talk any more. */
  forbid(): void {
    this.#starting?.close();
    this.#starting = undefined;
    this.#devices?.owner.close();
    this.#devices = undefined;
    this.#microphone = { run: -1, position: 0 };
    this.#tell({ type: 'unready' });
    this.#act({ type: 'unready' });
  }

  /** Hold, go on with, or leave out the rest of what is being said. */
  press(action: 'pause' | 'resume' | 'stop' | 'skip'): void {
    this.#tell({ type: 'act', action });
    if (action === 'pause' || action === 'resume') this.#act({ type: 'paused', paused: action === 'pause' });
  }

  close(): void {
    this.forbid();
    this.#line?.close();
    this.#line = undefined;
    this.#socket = undefined;
  }

  // -- the line

  #opened(): void {
    this.#tries = 0;
    this.#act({ type: 'connected' });
    if (this.#devices !== undefined) this.#tell({ type: 'ready', page: browserName() });
  }

  #lost(owner: Disposables): void {
    if (this.#line !== owner) return;
    owner.close();
    this.#silence();
    this.#act({ type: 'disconnected' });
    const wait = RETRY_MS[Math.min(this.#tries, RETRY_MS.length - 1)];
    this.#tries += 1;
    const pause = new Disposables();
    this.#line = pause;
    const timer = setTimeout(() => {
      if (this.#line !== pause) return;
      this.#line = undefined;
      this.connect();
    }, wait);
    pause.add(() => clearTimeout(timer));
  }

  #received(data: unknown): void {
    if (data instanceof ArrayBuffer) {
      const sound = readSound(data);
      if (sound !== undefined) this.#player({ kind: 'sound', ...sound });
      return;
    }
    const message = typeof data === 'string' ? readMessage(data) : undefined;
    if (message === undefined) return;
    this.#obey(message);
    this.#act({ type: 'message', message });
  }

  #obey(message: ToPage): void {
    switch (message.type) {
      case 'open_speaker':
        this.#player({ kind: 'duck', gainDb: 0 });
        this.#player({ kind: 'cut', run: message.run });
        if (this.#devices === undefined) this.#tell({ type: 'failed', device: 'speaker', problem: 'the button was not pressed' });
        else this.#tell({ type: 'speaker_opened', run: message.run, latency_ms: this.#latencyMs });
        break;
      case 'cut':
        this.#cuts.add(message.run);
        this.#player({ kind: 'cut', run: message.run });
        break;
      case 'complete':
        this.#player({ kind: 'complete' });
        break;
      case 'duck':
        this.#player({ kind: 'duck', gainDb: message.gainDb });
        break;
      case 'close_speaker':
        this.#player({ kind: 'cut', run: message.run });
        break;
      case 'open_microphone':
        this.#openMicrophone(message.run);
        break;
      case 'close_microphone':
        this.#closeMicrophone();
        break;
      case 'begin':
      case 'end':
        this.#silence();
        break;
      default:
        break;
    }
  }

  #openMicrophone(run: number): void {
    const studio = this.#devices?.studio;
    if (studio?.stream === undefined) {
      this.#tell({ type: 'failed', device: 'microphone', problem: 'there is none, or it is not allowed' });
      return;
    }
    studio.enabled = true;
    this.#microphone = { run, position: 0 };
    this.#tell({ type: 'microphone_opened', run, name: studio.stream.getAudioTracks()[0]?.label ?? '' });
  }

  #closeMicrophone(): void {
    this.#microphone = { run: -1, position: 0 };
    if (this.#devices !== undefined) this.#devices.studio.enabled = false;
  }

  /** No agent is there. */
  #silence(): void {
    this.#closeMicrophone();
    this.#cuts.clear();
    this.#player({ kind: 'cut', run: -1 });
  }

  // -- devices

  async #openDevices(owner: Disposables): Promise<Devices> {
    const studio = new Studio(owner);
    studio.enabled = false;
    const { context } = studio;
    await Promise.all([context.audioWorklet.addModule(captureUrl), context.audioWorklet.addModule(playerUrl), studio.listen('')]);
    if (owner.closed) throw new DOMException('left during set-up', 'AbortError');
    await context.resume();
    const player = new AudioWorkletNode(context, 'voicemode-line-player', { numberOfInputs: 0, outputChannelCount: [1] });
    player.port.onmessage = ({ data }: MessageEvent<FromLinePlayer>) => this.#played(owner, data);
    player.connect(context.destination);
    studio.meter(player);
    const capture = new AudioWorkletNode(context, 'voicemode-capture', { numberOfOutputs: 0, processorOptions: { rate: CAPTURE_RATE } });
    capture.port.onmessage = ({ data }: MessageEvent<Int16Array<ArrayBuffer>>) => this.#captured(owner, data);
    let source: MediaStreamAudioSourceNode | undefined;
    studio.onReplaced = (stream) => {
      source?.disconnect();
      source = context.createMediaStreamSource(stream);
      source.connect(capture);
    };
    if (studio.stream !== undefined) studio.onReplaced(studio.stream);
    owner.add(() => {
      source?.disconnect();
      capture.port.postMessage('end');
      player.port.postMessage({ kind: 'close' } satisfies ToLinePlayer);
      for (const node of [capture, player]) {
        node.port.onmessage = null;
        node.port.close();
        node.disconnect();
      }
    });
    return { owner, studio, player };
  }

  get #latencyMs(): number {
    const context = this.#devices?.studio.context;
    return context === undefined ? 0 : 1000 * ((context.outputLatency || 0) + (context.baseLatency || 0));
  }

  #player(message: ToLinePlayer): void {
    this.#devices?.player.port.postMessage(message);
  }

  #played(owner: Disposables, { kind, run, position }: FromLinePlayer): void {
    if (owner.closed) return;
    const nowMs = performance.now();
    if (kind === 'cut') {
      // What the agent did not ask for is nothing it waits for.
      if (this.#cuts.delete(run)) this.#tell({ type: 'was_cut', run, position, at_ms: nowMs, now_ms: nowMs });
      return;
    }
    this.#tell({ type: 'played', run, position, at_ms: nowMs + this.#latencyMs, now_ms: nowMs });
    this.#act({ type: 'played', position });
  }

  #captured(owner: Disposables, samples: Int16Array<ArrayBuffer>): void {
    const { run, position } = this.#microphone;
    if (owner.closed || run < 0) return;
    const socket = this.#socket;
    this.#microphone = { run, position: position + samples.length };
    if (socket?.readyState !== WebSocket.OPEN || socket.bufferedAmount > BACKLOG_BYTES) return;
    socket.send(writeSound({ run, position, samples }, performance.now() - (1000 * samples.length) / CAPTURE_RATE));
  }

  // --

  #tell(message: FromPage): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #act(action: LineAction): void {
    const state = reduceLine(this.#state, action);
    if (state === this.#state) return;
    this.#state = state;
    for (const watcher of this.#watchers) watcher();
  }
}

function browserName(): string {
  const agent = navigator.userAgent;
  const known = [
    ['Edg/', 'Edge'],
    ['Firefox/', 'Firefox'],
    ['Chrome/', 'Chrome'],
    ['Safari/', 'Safari'],
  ] as const;
  const name = known.find(([part]) => agent.includes(part))?.[1] ?? 'a browser';
  const system = /Android|iPhone|iPad|Windows|Mac OS X|Linux/.exec(agent)?.[0];
  return system === undefined ? name : `${name} on ${system}`;
}
