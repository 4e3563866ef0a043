// Firefox as people have it, driven by WebDriver BiDi (https://w3c.github.io/webdriver-bidi), which it speaks itself.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const WebSocket = createRequire(new URL('../../tests_clients/package.json', import.meta.url))('ws');

const FIREFOXES = ['/usr/bin/firefox-esr', '/usr/bin/firefox', '/Applications/Firefox.app/Contents/MacOS/firefox'];
const START_MS = 60_000;
const ANSWER_MS = 30_000;
/** A microphone that nobody has to allow, sound without a click, and nothing that it does by itself. */
const PREFERENCES = {
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.autoplay.default': 0,
  // Its separate process for sound hangs on a virtual card now and then, and the page with it.
  'media.cubeb.sandbox': false,
  'media.autoplay.blocking_policy': 0,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.page': 0,
  'browser.aboutwelcome.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'datareporting.policy.firstRunURL': '',
  'app.update.disabledForTesting': true,
  'app.normandy.enabled': false,
  'extensions.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,#remote-settings-dummy/v1',
  'toolkit.telemetry.enabled': false,
};

export function firefoxPath() {
  return process.env.VOICEMODE_TESTS_FIREFOX || FIREFOXES.find(existsSync);
}

/** One browser with one page. Close it. */
export async function launchFirefox() {
  const profile = mkdtempSync(join(tmpdir(), 'voicemode-firefox-'));
  writeFileSync(join(profile, 'user.js'), Object.entries(PREFERENCES).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`).join(''));
  const environment = { ...process.env, HOME: profile, MOZ_CRASHREPORTER_DISABLE: '1' };
  const browser = spawn(firefoxPath(), ['--headless', '--no-remote', '--remote-debugging-port=0', '--profile', profile], { env: environment, stdio: ['ignore', 'ignore', 'pipe'] });
  const close = async () => {
    const ended = new Promise((resolve) => browser.once('exit', resolve));
    browser.kill('SIGTERM');
    const late = setTimeout(() => browser.kill('SIGKILL'), 8000);
    await ended;
    clearTimeout(late);
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    return new Firefox(await connected(await address(browser)), close);
  } catch (error) {
    await close();
    throw error;
  }
}

function address(browser) {
  return new Promise((resolve, reject) => {
    let told = '';
    const late = setTimeout(() => reject(new Error(`Firefox did not start: ${told}`)), START_MS);
    browser.once('exit', (code) => reject(new Error(`Firefox ended with ${code}: ${told}`)));
    browser.stderr.on('data', (data) => {
      told += data;
      const found = /WebDriver BiDi listening on (ws:\S+)/.exec(told);
      if (found === null) return;
      clearTimeout(late);
      resolve(`${found[1]}/session`);
    });
  });
}

function connected(url) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    socket.once('open', () => resolve(socket));
    socket.once('error', reject);
  });
}

class Firefox {
  #socket;
  #close;
  #asked = new Map();
  #count = 0;
  #context = '';
  /** Called with each event: its name and what it says. */
  onEvent = () => {};

  constructor(socket, close) {
    this.#socket = socket;
    this.#close = close;
    socket.on('message', (data) => {
      const told = JSON.parse(data);
      const asked = this.#asked.get(told.id);
      this.#asked.delete(told.id);
      if (told.type === 'event') this.onEvent(told.method, told.params);
      else if (told.type === 'error') asked?.reject(new Error(`${told.error}: ${told.message}`));
      else asked?.resolve(told.result);
    });
  }

  ask(method, params = {}) {
    this.#count += 1;
    const id = this.#count;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`Firefox did not answer ${method} within ${ANSWER_MS} ms`)), ANSWER_MS);
      const settled = (settle) => (value) => {
        clearTimeout(late);
        settle(value);
      };
      this.#asked.set(id, { resolve: settled(resolve), reject: settled(reject) });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  /** `preload` is a function that runs before the page's own scripts, with that text. */
  async begin(preload, text) {
    await this.ask('session.new', { capabilities: {} });
    await this.ask('session.subscribe', { events: ['log.entryAdded', 'network.beforeRequestSent'] });
    const { contexts } = await this.ask('browsingContext.getTree');
    this.#context = contexts[0].context;
    await this.ask('script.addPreloadScript', { functionDeclaration: `() => (${preload})(${JSON.stringify(text)})` });
  }

  goto(url) {
    return this.ask('browsingContext.navigate', { context: this.#context, url, wait: 'complete' });
  }

  /** The value of an expression that JSON can hold, as if the person had just clicked. */
  async evaluate(expression) {
    const told = await this.ask('script.evaluate', {
      expression: `(async () => JSON.stringify((await (${expression})) ?? null))()`,
      target: { context: this.#context },
      awaitPromise: true,
      userActivation: true,
    });
    if (told.type === 'exception') throw new Error(told.exceptionDetails.text);
    return JSON.parse(told.result.value);
  }

  async until(name, expression, ms) {
    const end = performance.now() + ms;
    while (!(await this.evaluate(expression))) {
      if (performance.now() > end) throw new Error(`${name}: not within ${ms} ms`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async close() {
    this.#socket.terminate();
    await this.#close();
  }
}
