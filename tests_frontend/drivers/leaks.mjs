// Calls that begin and end, and calls that are left while they are set up: what is open afterwards. The page's policy holds.

import { launch, visit } from './browser.mjs';
import { drive, saw } from './tell.mjs';

const DEADLINE_MS = 20_000;
const SETTLE_MS = 1500;

await drive(async ({ link, transport, cycles }) => {
  const browser = await launch();
  try {
    const page = await visit(await browser.newContext(), saw);
    await page.goto(link.replace('/#', `/?transport=${transport}#`));
    await page.getByRole('button', { name: 'Talk', exact: true }).waitFor();
    const hold = async () => {
      await page.evaluate(() => void voicemode.start());
      await page.waitForFunction(() => voicemode.shown().turns.base === 'live', undefined, { timeout: DEADLINE_MS, polling: 20 });
      await page.evaluate(() => {
        voicemode.end();
        voicemode.end();
      });
    };
    await hold(); // with the first call the browser and React set up what they keep
    await page.waitForTimeout(SETTLE_MS);
    saw('before', await page.evaluate(() => witness.alive()));
    for (let i = 0; i < Number(cycles); i += 1) await hold();
    saw('whole', await page.evaluate(() => witness.made()));
    for (let i = 0; i < Number(cycles) / 2; i += 1) {
      // A little later each time, so that every step of the set-up is left once. A double click is one.
      await page.evaluate(
        (ms) =>
          new Promise((resolve) => {
            void voicemode.start();
            void voicemode.start();
            const leave = () => resolve(voicemode.end());
            if (ms === 0) leave();
            else setTimeout(leave, ms);
          }),
        (i * 240) / (Number(cycles) / 2),
      );
    }
    await page.waitForTimeout(SETTLE_MS);
    saw('left', await page.evaluate(() => witness.made()));
    saw('alive', await page.evaluate(() => ({ ...witness.alive(), open: voicemode.open, base: voicemode.shown().turns.base })));
  } finally {
    await browser.close();
  }
});
