/**
 * The conversation of this page, whichever view is shown: what the views show, and what they can do.
 *
 * Everything that a call opens belongs to one owner. Leaving, at whatever point of the set-up, closes the owner; what arrives
 * afterwards is closed as it arrives. So there is at most one call, and nothing of an earlier one acts on a later one.
 */

import { fromBase64 } from '../audio/pcm.ts';
import { LevelLog } from '../inspect/levels.ts';
import { Ring } from '../inspect/ring.ts';
import { type ClientEvent, type TurnTaking, WIRE_RATE, cancel, clearInput, clearOutput, commit, decide, respond, retrieve, say, sessionUpdate, truncate } from '../protocol/commands.ts';
import { type ServerEvent, readEvent } from '../protocol/events.ts';
import { type Action, NEW_TURNS, reduce } from '../turn/state.ts';
import { devices } from './devices.ts';
import { Disposables } from './disposables.ts';
import { openLine } from './line.ts';
import type { Link, Transport } from './link.ts';
import { pause } from './pause.ts';
import { FIRST, type Shown } from './shown.ts';
import { Studio } from './studio.ts';

/** Seconds before each try after the line broke. */
const RETRIES_S = [0.3, 1, 2, 4, 8] as const;
/** What is on its way from the microphone when the button is let go. */
const TAIL_MS = 150;
/** A shorter press was a mistake. */
const LEAST_PRESS_MS = 250;
const TICK_MS = 100;
const FREQUENT: ReadonlySet<Action['type']> = new Set(['sound', 'played', 'tick']);
const SOON_MS = 60;

interface Call {
  readonly owner: Disposables;
  readonly studio: Studio;
  /** Of the line, which may be opened anew. */
  line: Disposables;
  link: Link | undefined;
  readonly silenced: Set<string>;
  pressedMs: number | undefined;
}

export class Conversation {
  readonly ring = new Ring();
  readonly levelLog = new LevelLog();
  readonly #forced: Transport | undefined;
  #shown = FIRST;
  #watchers = new Set<() => void>();
  #call: Call | undefined;
  #unsent: string[] = [];
  #playing = '';
  #notes = 0;
  #soon = false;

  /** `forced`: use this transport and no other. */
  constructor(forced: Transport | undefined) {
    this.#forced = forced;
  }

  // -- for React's useSyncExternalStore

  readonly subscribe = (watcher: () => void): (() => void) => {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  };

  readonly shown = (): Shown => this.#shown;

  get levels(): { input: number; output: number } {
    return this.#call?.studio.levels ?? { input: 0, output: 0 };
  }

  /** What is open, for those who look for leaks. */
  get open(): number {
    return this.#call?.owner.size ?? 0;
  }

  // -- what the person does

  /** Within a click or key press. A second one while it runs changes nothing. */
  async start(withMicrophone = true): Promise<void> {
    if (this.#call !== undefined) return;
    const owner = new Disposables();
    const call: Call = { owner, studio: new Studio(owner), line: owner.child(), link: undefined, silenced: new Set(), pressedMs: undefined };
    this.#call = call;
    this.#show({ microphone: withMicrophone, transport: undefined });
    this.#act({ type: 'connecting' });
    this.#follow(call);
    try {
      if (withMicrophone) await this.#openMicrophone(call);
      await this.#connect(call);
    } catch (error) {
      this.#fail(call, error);
    }
  }

  /** Speak in a conversation that was typed so far. */
  async speak(): Promise<void> {
    const call = this.#call;
    if (call?.link === undefined || this.#shown.microphone) return;
    try {
      await this.#openMicrophone(call);
      if (!call.owner.closed) this.#show({ microphone: true });
    } catch (error) {
      this.#tell(messageOf(error));
    }
  }

  end(): void {
    this.#close('');
  }

  /** Forget what is shown; the next call is another session. */
  renew(): void {
    this.end();
    this.#show({ turns: NEW_TURNS, thread: '' });
  }

  /** The next call goes on with what is kept; whoever answers is told of it, and it is not shown here. */
  goOn(thread: string): void {
    this.end();
    this.#show({ turns: NEW_TURNS, thread, incognito: false });
    this.#tell('You go on with a conversation that is kept. Press the button, or type.');
  }

  mute(muted: boolean): void {
    this.#show({ muted });
    this.#gate();
  }

  turnTaking(mode: TurnTaking): void {
    this.#show({ mode });
    this.#send(sessionUpdate(mode));
    this.#gate();
  }

  incognito(incognito: boolean): void {
    if (this.#call === undefined) this.#show({ incognito, thread: '', turns: NEW_TURNS });
  }

  /** The button of hold to talk goes down, and up again. */
  press(): void {
    const call = this.#call;
    if (call?.link === undefined || this.#shown.mode !== 'hold' || call.pressedMs !== undefined) return;
    call.pressedMs = performance.now();
    this.#interrupt(call);
    this.#send(clearInput);
    this.#act({ type: 'press' });
    this.#gate();
  }

  release(): void {
    const call = this.#call;
    if (call?.pressedMs === undefined) return;
    const heldMs = performance.now() - call.pressedMs;
    const line = call.line;
    const finish = () => {
      call.pressedMs = undefined;
      this.#gate();
      if (line.closed) return;
      if (heldMs < LEAST_PRESS_MS) {
        this.#act({ type: 'withdraw' });
        return;
      }
      this.#send(commit);
      this.#send(respond);
      this.#act({ type: 'release' });
    };
    const timer = setTimeout(finish, TAIL_MS);
    line.add(() => clearTimeout(timer));
  }

  /** Typed words, in the same conversation; a call without a microphone begins if there is none. */
  type(words: string): void {
    const text = words.trim();
    if (text === '') return;
    if (this.#call?.link === undefined) {
      this.#unsent.push(text);
      void this.start(false);
      return;
    }
    this.#interrupt(this.#call);
    this.#send(say('user', text));
    this.#send(respond);
  }

  /** Whether a tool may be used. */
  decide(requestId: string, approve: boolean): void {
    this.#send(decide(requestId, approve));
  }

  /** Be silent, and listen. */
  hush(): void {
    if (this.#call !== undefined) this.#interrupt(this.#call);
  }

  async chooseInput(id: string): Promise<void> {
    this.#show({ input: id });
    if (this.#shown.microphone) await this.#call?.studio.listen(id).catch((error: unknown) => this.#tell(messageOf(error)));
  }

  async chooseOutput(id: string): Promise<void> {
    this.#show({ output: id });
    await this.#call?.link?.speakThrough(id).catch(() => this.#tell('That loudspeaker cannot be used.'));
  }

  // -- the call

  async #openMicrophone(call: Call): Promise<void> {
    call.studio.onReplaced = (stream) => void call.link?.hear(stream);
    await call.studio.listen(this.#shown.input);
    this.#gate();
    const list = await devices();
    if (!call.owner.closed) this.#show({ devices: list });
    call.owner.listen(navigator.mediaDevices, 'devicechange', () => {
      void devices().then((now) => this.#show({ devices: now }));
    });
  }

  async #connect(call: Call): Promise<void> {
    const own = call.line;
    const { link, thread } = await openLine({
      studio: call.studio,
      owner: own,
      incognito: this.#shown.incognito,
      thread: this.#shown.thread,
      transport: this.#forced,
      events: {
        sent: (event) => this.ring.add('client', event, Date.now()),
        message: (text) => this.#received(call, own, text),
        lost: (reason, again) => void this.#lost(call, own, reason, again),
        played: (item, ms) => this.#played(item, ms),
        finished: (item, ms) => this.#finished(item, ms),
        cut: (item, ms) => this.#wasCut(item, ms),
      },
    });
    if (own.closed) return;
    call.link = link;
    call.studio.meter(link.output);
    if (this.#shown.output !== '') void this.chooseOutput(this.#shown.output);
    this.#show({ transport: link.transport, thread });
    this.#send(sessionUpdate(this.#shown.mode));
    this.#act({ type: 'live' });
    this.#gate();
    for (const text of this.#unsent.splice(0)) this.type(text);
  }

  async #lost(call: Call, line: Disposables, reason: string, again: boolean): Promise<void> {
    if (call !== this.#call || line !== call.line || line.closed) return;
    this.#note('page.lost', { reason });
    call.link = undefined;
    line.close();
    if (!again) return this.#close(`The conversation ended: ${reason}.`);
    this.#act({ type: 'connecting' });
    for (const seconds of RETRIES_S) {
      await pause(seconds, call.owner);
      if (call.owner.closed) return undefined;
      call.line = call.owner.child();
      try {
        await this.#connect(call);
        return undefined;
      } catch (error) {
        this.#note('page.retry', { problem: messageOf(error) });
        call.line.close();
      }
    }
    return this.#close('The server cannot be reached any more.');
  }

  #fail(call: Call, error: unknown): void {
    if (call === this.#call && !call.owner.closed) this.#close(messageOf(error));
  }

  #close(problem: string): void {
    const call = this.#call;
    if (call === undefined) return;
    this.#call = undefined;
    this.#unsent = [];
    call.owner.close();
    this.#playing = '';
    this.#act({ type: 'over', problem });
    this.#show({ transport: undefined, microphone: false });
  }

  // -- events

  #received(call: Call, line: Disposables, text: string): void {
    if (line.closed) return;
    this.ring.add('server', text, Date.now());
    const event = readEvent(text);
    if (event === undefined) return;
    this.#sound(call, event);
    if (event.type === 'speech_started' && call.link?.transport === 'websocket') call.link.cut?.();
    // The server alone knows which words were heard.
    if (event.type === 'item.truncated') this.#send(retrieve(event.itemId));
    if (event.type !== 'audio.delta') this.#act({ type: 'server', event, nowMs: performance.now() });
  }

  #sound(call: Call, event: ServerEvent): void {
    if (event.type === 'audio.delta' && !call.silenced.has(event.responseId)) {
      const samples = fromBase64(event.audio);
      const ms = (samples.length / WIRE_RATE) * 1000;
      call.link?.play?.(event.itemId, samples); // which takes them away
      this.#act({ type: 'sound', item: event.itemId, ms });
    }
    if (event.type === 'audio.done') call.link?.end?.(event.itemId);
  }

  #played(item: string, ms: number): void {
    if (item !== this.#playing) this.#note('page.playing', { item_id: item });
    this.#playing = item;
    this.#act({ type: 'played', item, ms });
  }

  #finished(item: string, ms: number): void {
    this.#note('page.played', { item_id: item, heard_ms: Math.round(ms) });
    this.#act({ type: 'finished', item, ms });
  }

  #wasCut(item: string, ms: number): void {
    this.#playing = '';
    if (item === '') return;
    this.#note('page.silent', { item_id: item, heard_ms: Math.round(ms) });
    this.#act({ type: 'cut', item, ms });
    this.#send(truncate(item, ms));
  }

  /** The person acts while the assistant speaks or thinks. */
  #interrupt(call: Call): void {
    const { responses, sounding } = this.#shown.turns;
    for (const response of responses) call.silenced.add(response);
    if (responses.length > 0) this.#send(cancel);
    if (call.link?.cut !== undefined) call.link.cut();
    else if (sounding !== '') this.#send(clearOutput);
  }

  #gate(): void {
    const call = this.#call;
    if (call === undefined) return;
    const { muted, mode } = this.#shown;
    call.studio.enabled = !muted && (mode === 'open' || call.pressedMs !== undefined);
  }

  /** Time goes by while somebody looks. */
  #follow(call: Call): void {
    const timer = setInterval(() => {
      this.levelLog.add({ atMs: Date.now(), ...call.studio.levels });
      this.#act({ type: 'tick', nowMs: performance.now() });
    }, TICK_MS);
    call.owner.add(() => clearInterval(timer));
  }

  #send(event: ClientEvent): void {
    if (this.#call?.link === undefined) return;
    this.ring.add('client', event, Date.now());
    this.#call.link.send(event);
  }

  #note(type: string, facts: object): void {
    this.ring.add('page', { type, ...facts }, Date.now());
  }

  #tell(text: string): void {
    this.#notes += 1;
    this.#act({ type: 'note', id: `note-${this.#notes}`, text });
  }

  #act(action: Action): void {
    const turns = reduce(this.#shown.turns, action);
    if (turns === this.#shown.turns) return;
    if (FREQUENT.has(action.type)) this.#showSoon({ turns });
    else this.#show({ turns });
  }

  #show(change: Partial<Shown>): void {
    this.#shown = { ...this.#shown, ...change };
    for (const watcher of this.#watchers) watcher();
  }

  /** Nobody reads fifty times a second. */
  #showSoon(change: Partial<Shown>): void {
    this.#shown = { ...this.#shown, ...change };
    if (this.#soon) return;
    this.#soon = true;
    setTimeout(() => {
      this.#soon = false;
      this.#show({});
    }, SOON_MS);
  }
}

function messageOf(error: unknown): string {
  if (error instanceof TypeError) return 'The server cannot be reached.'; // fetch's
  return error instanceof Error ? error.message : String(error);
}
