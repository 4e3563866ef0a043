// The person presses Talk. Their microphone says one thing, and another into the answer; then they type.

import { launch, visit } from './browser.mjs';
import { drive, saw, writeWav } from './tell.mjs';

const DEADLINE_MS = 45_000;

await drive(async ({ link, wav, transport, heard }) => {
  const browser = await launch(wav);
  try {
    const context = await browser.newContext({ bypassCSP: true });
    const page = await visit(context, saw);
    const began = performance.now();
    await page.goto(link.replace('/#', `/?transport=${transport}#`));
    const button = page.getByRole('button', { name: 'Talk', exact: true });
    await button.waitFor();
    saw('usable', { seconds: (performance.now() - began) / 1000 });
    saw('address', { url: page.url(), kept: await page.evaluate(() => JSON.stringify([localStorage, sessionStorage])) });
    saw('cookie', { script: await page.evaluate(() => document.cookie) });

    await page.exposeFunction('tellPhase', (text) => saw('phase', { text }));
    await page.evaluate(() => {
      let last = '';
      const look = () => {
        const text = document.querySelector('.phase')?.textContent ?? '';
        if (text !== last) tellPhase(text);
        last = text;
      };
      new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
      look();
    });
    await page.evaluate(() => (witness.listens = true));
    await button.click();
    const until = (name, said) => page.waitForFunction(said, undefined, { timeout: DEADLINE_MS, polling: 50 }).catch(() => {
      throw new Error(`${name}: not within ${DEADLINE_MS} ms`);
    });
    await until('the call is live', () => voicemode.shown().turns.base === 'live');
    saw('live', await page.evaluate(() => ({ transport: voicemode.shown().transport, constraints: witness.constraints })));
    await until('an interrupted answer', () => document.querySelector('.assistant.cut') !== null);
    await until('the second answer', () => document.querySelectorAll('.assistant').length > 1);
    await until('the second answer was heard', () => [...document.querySelectorAll('.assistant')].at(-1).matches('.heard'));
    await page.getByLabel('Type a message').fill('Say hello.');
    await page.keyboard.press('Enter');
    await until('the third answer was heard', () => {
      const answers = [...document.querySelectorAll('.assistant')];
      return answers.length > 2 && answers.at(-1).matches('.heard');
    });
    await page.waitForTimeout(500);
    for (const line of await page.evaluate(() =>
      [...document.querySelectorAll('.line')].map((line) => ({
        kind: line.classList[1],
        classes: line.className,
        text: line.textContent,
        heard: line.querySelector('.heard')?.textContent ?? '',
        rest: line.querySelector('.rest')?.textContent ?? '',
      })),
    )) saw('line', line);
    for (const entry of await page.evaluate(() => voicemode.ring.entries.map(({ atMs, from, type, event }) => ({ atMs, from, type, event })))) saw('wire', entry);
    saw('problem', { text: await page.evaluate(() => voicemode.shown().turns.problem) });
    await page.getByRole('button', { name: 'End', exact: true }).click();
    await page.waitForTimeout(300);
    saw('alive', await page.evaluate(() => ({ ...witness.alive(), open: voicemode.open })));
    const sound = await page.evaluate(() => witness.heard());
    writeWav(heard, sound.rate, Buffer.from(sound.pcm, 'base64'));
    page.removeAllListeners('console'); // which tells of the link that was used before
    await page.goto(link);
    await page.locator('.phase').waitFor();
    saw('again', { text: await page.locator('main').textContent() });
    const other = await (await browser.newContext()).newPage();
    await other.goto(link);
    await other.getByRole('heading', { name: 'This page needs its link' }).waitFor();
    saw('other', { text: await other.locator('main').textContent() });
  } finally {
    await browser.close();
  }
});
