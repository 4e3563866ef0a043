// @openai/agents over WebRTC, in headless Chromium: serves a page, opens it, and hands on what the page tells.

import { createServer } from 'node:http';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { drive, saw, writeWav } from './order.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const BUNDLE = `${HERE}../node_modules/@openai/agents-realtime/dist/bundle/openai-realtime-agents.umd.js`;
const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'];
const FLAGS = [
  '--no-sandbox', // a container's root has no other choice, and the page is ours
  '--autoplay-policy=no-user-gesture-required',
  '--allow-loopback-in-peer-connection',
  '--disable-background-networking',
];

function browser() {
  const path = process.env.VOICEMODE_TESTS_CHROMIUM || BROWSERS.find(existsSync);
  if (path === undefined) throw new Error(`no Chromium: none of ${BROWSERS.join(', ')} is there; scripts/setup_clients.sh installs it`);
  return path;
}

function serve(files) {
  const server = createServer((request, response) => {
    const file = files[new URL(request.url, 'http://page').pathname];
    if (file === undefined) return response.writeHead(404).end();
    response.writeHead(200, { 'content-type': file.type }).end(readFileSync(file.path));
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

/** What a page may know: a key that dies soon. */
async function secret(url, key) {
  const response = await fetch(`${url}/v1/realtime/client_secrets`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ session: { type: 'realtime', model: 'gpt-realtime' } }),
  });
  if (!response.ok) throw new Error(`client_secrets: ${response.status} ${await response.text()}`);
  return (await response.json()).value;
}

await drive(async ({ url, key, first, second, heard }) => {
  const script = (path) => ({ type: 'text/javascript', path });
  const wav = (path) => ({ type: 'audio/wav', path });
  const server = await serve({
    '/': { type: 'text/html', path: `${HERE}page.html` },
    '/sdk.js': script(BUNDLE),
    '/page.mjs': script(`${HERE}page.mjs`),
    '/person.mjs': script(`${HERE}person.mjs`),
    '/robot.mjs': script(`${HERE}robot.mjs`),
    '/first.wav': wav(first),
    '/second.wav': wav(second),
  });
  const chrome = await chromium.launch({ executablePath: browser(), args: FLAGS });
  try {
    const page = await chrome.newPage();
    page.on('pageerror', (error) => saw('error', { error: `page: ${error.message}` }));
    await page.exposeFunction('tell', (line) => saw(line.saw, line));
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    const pcm = await page.evaluate((facts) => window.talk(facts), { url, key: await secret(url, key) });
    writeWav(heard, new Int16Array(new Uint8Array(Buffer.from(pcm, 'base64')).buffer));
  } finally {
    await chrome.close();
    server.close();
  }
});
