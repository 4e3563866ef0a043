// @openai/agents over WebSocket, in Node: a RealtimeSession with its defaults, but for the address.

import * as sdk from '@openai/agents/realtime';
import { drive, readWav, saw, writeWav } from './order.mjs';
import { Loudspeaker, Microphone, conversation, everyTick, report } from './person.mjs';
import { robot } from './robot.mjs';

await drive(async ({ url, key, first, second, heard }) => {
  const clips = { first: readWav(first), second: readWav(second) };
  const session = new sdk.RealtimeSession(robot(sdk, saw), { transport: 'websocket' });
  const tellHistory = report(session, saw);
  const loudspeaker = new Loudspeaker();
  const microphone = new Microphone((pcm) => session.sendAudio(pcm));
  session.on('audio', ({ data }) => loudspeaker.play(new Int16Array(data)));
  session.on('audio_interrupted', () => loudspeaker.stop());

  await session.connect({ apiKey: key, url: `${url.replace('http://', 'ws://')}/v1/realtime` });
  const stop = everyTick(() => {
    microphone.tick();
    loudspeaker.tick();
  });
  await conversation({ say: (clip) => microphone.say(clips[clip]), ears: loudspeaker, saw });
  tellHistory();
  stop();
  session.close();
  writeWav(heard, loudspeaker.pcm());
});
