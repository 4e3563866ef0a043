// Runs before the page's own scripts: keeps count of what is opened, and listens where the page's sound goes to its meter.

(() => {
  const opened = { contexts: [], connections: [], sockets: [], tracks: [], listeners: 0, locks: [] };
  const heard = { chunks: [], rate: 0 };

  function counted(name, list) {
    const Original = globalThis[name];
    globalThis[name] = new Proxy(Original, {
      construct(target, args) {
        const made = Reflect.construct(target, args);
        list.push(made);
        return made;
      },
    });
  }
  counted('AudioContext', opened.contexts);
  counted('RTCPeerConnection', opened.connections);
  counted('WebSocket', opened.sockets);

  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    globalThis.witness.constraints = constraints;
    // The stub that hears compares waveforms, which all this is made to change; a file has no echo.
    const audio = { ...constraints.audio, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const stream = await ask({ ...constraints, audio });
    opened.tracks.push(...stream.getTracks());
    return stream;
  };

  // Listeners on what outlives a call: the window, the document and the devices.
  const lasting = new Set([globalThis, document, navigator.mediaDevices]);
  const { addEventListener: add, removeEventListener: remove } = EventTarget.prototype;
  EventTarget.prototype.addEventListener = function (...args) {
    if (lasting.has(this ?? globalThis)) opened.listeners += 1;
    return add.apply(this, args);
  };
  EventTarget.prototype.removeEventListener = function (...args) {
    if (lasting.has(this ?? globalThis)) opened.listeners -= 1;
    return remove.apply(this, args);
  };

  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (target, ...rest) {
    // The meter of the microphone is fed by a MediaStreamAudioSourceNode, that of the loudspeaker by something else.
    if (target instanceof AnalyserNode && !(this instanceof MediaStreamAudioSourceNode)) void listen(this);
    return connect.call(this, target, ...rest);
  };
  async function listen(node) {
    if (!globalThis.witness.listens) return;
    const source = `registerProcessor('ears', class extends AudioWorkletProcessor {
      process([input]) { if (input[0]) this.port.postMessage(input[0].slice()); return true; }
    });`;
    await node.context.audioWorklet.addModule(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
    if (node.context.state === 'closed') return;
    const ears = new AudioWorkletNode(node.context, 'ears', { numberOfOutputs: 0 });
    heard.rate = node.context.sampleRate;
    ears.port.onmessage = ({ data }) => heard.chunks.push(Int16Array.from(data, (value) => Math.max(-32_768, Math.min(32_767, value * 32_767))));
    connect.call(node, ears);
  }

  globalThis.witness = {
    /** Only where the page's policy does not hold: ears are a script of nobody's origin. */
    listens: false,
    constraints: undefined,
    /** What is open now. */
    alive: () => ({
      contexts: opened.contexts.filter((each) => each.state !== 'closed').length,
      connections: opened.connections.filter((each) => each.connectionState !== 'closed').length,
      // The line for agents is there as long as the page is.
      sockets: opened.sockets.filter((each) => each.readyState < 2 && !each.url.endsWith('/api/page/line')).length,
      tracks: opened.tracks.filter((each) => each.readyState === 'live').length,
      listeners: opened.listeners,
    }),
    /** Whether the microphone's sound is sent. */
    sends: () => opened.tracks.some((each) => each.readyState === 'live' && each.enabled),
    made: () => ({ contexts: opened.contexts.length, connections: opened.connections.length, sockets: opened.sockets.length }),
    /** All that the page played, as base64 of 16-bit samples. */
    heard: () => {
      let binary = '';
      for (const chunk of heard.chunks) for (const byte of new Uint8Array(chunk.buffer)) binary += String.fromCharCode(byte);
      return { rate: heard.rate, pcm: btoa(binary) };
    },
  };
})();
