// The person in a page: the microphone is a track of an audio graph, and ears listen to the track that comes back.

import { RATE, conversation, report } from '/person.mjs';
import { robot } from '/robot.mjs';

const LOUD = 300; // of 32,767: a codec's silence is softer, the assistant's voice is louder

const saw = (what, facts = {}) => window.tell({ saw: what, ...facts });

/** What comes out of the remote track, 24 kHz; the session's own <audio> element plays it too. */
class Ears {
  #loud = 0;
  #quietSince = 0;
  #chunks = [];
  #samples = 0;
  stops = 0;

  async listen(context, stream) {
    const source = `registerProcessor('ears', class extends AudioWorkletProcessor {
      process([input]) { if (input[0]) this.port.postMessage(input[0].slice()); return true; }
    });`;
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
    const node = new AudioWorkletNode(context, 'ears');
    node.port.onmessage = ({ data }) => this.#take(Int16Array.from(data, (value) => value * 32_767));
    context.createMediaStreamSource(stream).connect(node);
  }

  #take(samples) {
    this.#chunks.push(samples);
    this.#samples += samples.length;
    if (!samples.some((sample) => Math.abs(sample) > LOUD)) return;
    this.#loud += samples.length;
    this.#quietSince = this.#samples;
  }

  /** Seconds of sound that were not silence. */
  get heardS() {
    return this.#loud / RATE;
  }

  silentFor(seconds) {
    return (this.#samples - this.#quietSince) / RATE >= seconds;
  }

  base64() {
    let binary = '';
    for (const chunk of this.#chunks) for (const byte of new Uint8Array(chunk.buffer)) binary += String.fromCharCode(byte);
    return btoa(binary);
  }
}

/** A microphone that is silent until somebody speaks. */
class Voice {
  #context;
  #out;

  constructor(context) {
    this.#context = context;
    this.#out = context.createMediaStreamDestination();
  }

  get stream() {
    return this.#out.stream;
  }

  async load(name) {
    const response = await fetch(`/${name}.wav`);
    this[name] = await this.#context.decodeAudioData(await response.arrayBuffer());
  }

  say(name) {
    const source = this.#context.createBufferSource();
    source.buffer = this[name];
    source.connect(this.#out);
    source.start();
  }
}

window.talk = async ({ url, key }) => {
  const sdk = window.OpenAIAgentsRealtime;
  const context = new AudioContext({ sampleRate: RATE });
  const [voice, ears, audioElement] = [new Voice(context), new Ears(), new Audio()];
  await Promise.all([voice.load('first'), voice.load('second')]);

  const transport = new sdk.OpenAIRealtimeWebRTC({ mediaStream: voice.stream, audioElement });
  const session = new sdk.RealtimeSession(robot(sdk, saw), { transport });
  const tellHistory = report(session, saw);
  transport.on('connection_change', () => {
    const channel = transport.connectionState.dataChannel;
    if (channel) channel.onmessage = ({ data }) => saw('wire', { event: JSON.parse(data) });
  });
  session.on('transport_event', ({ type }) => {
    if (type === 'output_audio_buffer.cleared') ears.stops += 1;
  });

  await session.connect({ apiKey: key, url: `${url}/v1/realtime/calls` });
  saw('connected', { call_id: transport.callId ?? null });
  await ears.listen(context, audioElement.srcObject);
  await conversation({ say: (clip) => voice.say(clip), ears, saw });
  tellHistory();
  session.close();
  return ears.base64();
};
