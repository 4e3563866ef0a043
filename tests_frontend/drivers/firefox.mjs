// The person talks through the page in Firefox, over WebSocket: something is said, answered and heard; then they type.

import { readFileSync } from 'node:fs';
import { firefoxPath, launchFirefox } from './bidi.mjs';
import { drive, saw } from './tell.mjs';

const DEADLINE_MS = 40_000;

// Runs in the page. Firefox's own fake microphone is opened and given back; what is heard in its place is the file.
function microphone(wav) {
  if (navigator.mediaDevices === undefined) return; // the blank page before
  globalThis.violations = [];
  document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => violations.push(`${violatedDirective}: ${blockedURI}`));
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    const own = await ask(constraints);
    globalThis.asked = { constraints, tracks: own.getAudioTracks().length };
    for (const track of own.getTracks()) track.stop();
    const context = new AudioContext();
    const source = context.createBufferSource();
    source.buffer = await context.decodeAudioData(Uint8Array.from(atob(wav), (letter) => letter.charCodeAt(0)).buffer);
    const target = context.createMediaStreamDestination();
    source.connect(target);
    source.start();
    const [track] = target.stream.getAudioTracks();
    const stop = track.stop.bind(track);
    track.stop = () => {
      stop();
      void context.close();
    };
    return target.stream;
  };
}

const STATE = `({
  turns: voicemode.shown().turns,
  levels: voicemode.levels,
  types: Object.entries(Object.groupBy(voicemode.ring.entries, ({ type }) => type)).map(([type, those]) => [type, those.length]),
})`;

await drive(async ({ link, wav }) => {
  if (firefoxPath() === undefined) {
    saw('absent');
    return;
  }
  const firefox = await launchFirefox();
  firefox.onEvent = (name, told) => {
    if (name === 'log.entryAdded' && told.level === 'error') saw('error', { error: told.text });
    if (name === 'network.beforeRequestSent') saw('request', { url: told.request.url });
  };
  try {
    await firefox.begin(microphone.toString(), readFileSync(wav).toString('base64'));
    await firefox.goto(link.replace('/#', '/?transport=ws#'));
    await firefox.until('the button', "document.querySelector('.orb') !== null", DEADLINE_MS);
    saw('address', { url: await firefox.evaluate('location.href') });
    await firefox.evaluate("document.querySelector('.orb').click()");
    await firefox.until('the call is live', "voicemode.shown().turns.base === 'live'", DEADLINE_MS);
    saw('live', await firefox.evaluate('({ transport: voicemode.shown().transport, ...asked })'));
    await firefox.until('the answer was heard', "document.querySelector('.assistant.heard') !== null", DEADLINE_MS);
    await firefox.evaluate("voicemode.type('Say hello.')");
    await firefox.until('the second answer was heard', "document.querySelectorAll('.assistant.heard').length > 1", DEADLINE_MS);
    for (const line of await firefox.evaluate("[...document.querySelectorAll('.line')].map((line) => ({ classes: line.className, text: line.textContent }))")) saw('line', line);
    saw('problem', { text: await firefox.evaluate('voicemode.shown().turns.problem') });
    await firefox.evaluate('voicemode.end()');
    saw('over', await firefox.evaluate('({ open: voicemode.open, violations })'));
  } catch (error) {
    saw('state', await firefox.evaluate(STATE).catch(() => ({})));
    throw error;
  } finally {
    await firefox.close();
  }
});
