// Hold to talk by the space bar; a press that was a mistake; then the server ends the session, and the page goes on with it.

import { launch, visit } from './browser.mjs';
import { drive, saw } from './tell.mjs';

const DEADLINE_MS = 40_000;

await drive(async ({ link, wav, transport, seconds }) => {
  const browser = await launch(wav);
  try {
    const page = await visit(await browser.newContext(), saw);
    const until = (said, argument) => page.waitForFunction(said, argument, { timeout: DEADLINE_MS, polling: 30 });
    const heard = (count) => until((wanted) => [...document.querySelectorAll('.assistant.heard')].length === wanted, count);
    await page.goto(link.replace('/#', `/?transport=${transport}#`));
    await page.getByLabel('Type a message').fill('Say hello.');
    await page.keyboard.press('Enter'); // a conversation without a microphone
    await heard(1);
    saw('typed', { tracks: await page.evaluate(() => witness.alive().tracks) });
    await page.getByRole('button', { name: 'Hold to talk' }).first().click();
    await page.getByRole('button', { name: 'Talk', exact: true }).click(); // and now with one
    await until(() => voicemode.shown().microphone);
    await page.locator('.phase').click(); // the focus is nowhere in particular
    await page.keyboard.down('Space');
    saw('held', { phase: await page.locator('.phase').textContent(), sends: await page.evaluate(() => witness.sends()) });
    await page.waitForTimeout(Number(seconds) * 1000);
    await page.keyboard.up('Space');
    await heard(2);
    saw('released', { sends: await page.evaluate(() => witness.sends()) });
    await page.keyboard.press('Space', { delay: 40 });
    await page.waitForTimeout(800);
    saw('mistake', { problem: await page.evaluate(() => voicemode.shown().turns.problem), lines: await page.locator('.line').count() });
    await until(() => voicemode.ring.entries.some((entry) => entry.type === 'page.lost'));
    await until(() => voicemode.shown().turns.base === 'live' && voicemode.shown().transport !== undefined);
    await page.getByLabel('Type a message').fill('Say clubs.');
    await page.keyboard.press('Enter');
    await heard(3);
    for (const text of await page.locator('.line').allTextContents()) saw('line', { text });
    saw('wire', { types: await page.evaluate(() => voicemode.ring.entries.filter(({ from }) => from !== 'server').map(({ type }) => type)) });
    saw('problem', { text: await page.evaluate(() => voicemode.shown().turns.problem) });
  } finally {
    await browser.close();
  }
});
