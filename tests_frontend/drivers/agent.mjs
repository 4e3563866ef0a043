// The person opens the link that their agent showed them, presses the button, and answers what they are asked.

import { launch, visit } from './browser.mjs';
import { drive, saw, writeWav } from './tell.mjs';

const DEADLINE_MS = 60_000;

await drive(async ({ link, wav, heard }) => {
  const browser = await launch(wav);
  try {
    const page = await visit(await browser.newContext({ bypassCSP: true }), saw);
    await page.goto(link);
    await page.evaluate(() => (witness.listens = true));
    await page.getByRole('button', { name: /^(Let it talk|Answer)$/ }).click();
    await page.waitForFunction(() => agentLine.shown().ready, undefined, { timeout: DEADLINE_MS });
    saw('ready', { url: page.url() });
    await page.exposeFunction('tellState', (state) => saw('state', state));
    await page.evaluate(() => {
      let last = '';
      const look = () => {
        const { agent, phase, words, captions } = agentLine.shown();
        const now = JSON.stringify({ agent, phase, words, captions });
        if (now !== last) tellState(JSON.parse(now));
        last = now;
      };
      agentLine.subscribe(look);
    });
    const cut = () => agentLine.shown().agent === '' && agentLine.shown().captions.some((caption) => caption.cut);
    await page.waitForFunction(cut, undefined, { timeout: DEADLINE_MS, polling: 50 });
    saw('seen', { text: await page.locator('body').textContent() });
    await page.waitForTimeout(300);
    const sound = await page.evaluate(() => witness.heard());
    writeWav(heard, sound.rate, Buffer.from(sound.pcm, 'base64'));
    await page.getByRole('button', { name: 'Stop', exact: true }).click();
    await page.waitForTimeout(300);
    saw('alive', await page.evaluate(() => witness.alive()));
  } finally {
    await browser.close();
  }
});
