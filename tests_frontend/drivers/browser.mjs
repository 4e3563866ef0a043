// A browser at the page, with a WAV file as its microphone and ears at its loudspeaker.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

// The tests of the vendors' clients have it installed.
const require = createRequire(new URL('../../tests_clients/package.json', import.meta.url));
const { chromium, firefox } = require('playwright-core');

const HERE = fileURLToPath(new URL('.', import.meta.url));
const CHROMIUMS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'];
const FLAGS = [
  '--no-sandbox', // a container's root has no other choice, and the page is ours
  '--allow-loopback-in-peer-connection',
  '--disable-background-networking',
  '--use-fake-ui-for-media-stream',
  '--use-fake-device-for-media-stream',
];

export { firefox };

/** Chromium whose microphone plays a file once; without one it beeps. */
export async function launch(wav) {
  const executablePath = process.env.VOICEMODE_TESTS_CHROMIUM || CHROMIUMS.find(existsSync);
  if (executablePath === undefined) throw new Error(`no Chromium: none of ${CHROMIUMS.join(', ')} is there`);
  const microphone = wav === undefined ? [] : [`--use-file-for-fake-audio-capture=${wav}%noloop`];
  return chromium.launch({ executablePath, args: [...FLAGS, ...microphone] });
}

/** A page that keeps count of what it opens and records what it plays. What should not happen is told. */
export async function visit(context, saw) {
  const page = await context.newPage();
  page.on('pageerror', (error) => saw('error', { error: `page: ${error.message}` }));
  page.on('console', (message) => {
    if (message.type() === 'error' || /Content Security Policy/.test(message.text())) saw('console', { text: message.text() });
  });
  page.on('request', (request) => saw('request', { url: request.url(), method: request.method() }));
  await page.addInitScript({ path: `${HERE}witness.js` });
  return page;
}
