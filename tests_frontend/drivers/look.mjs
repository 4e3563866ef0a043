// Every view in light, dark and phone width, after a typed conversation: pictures into a folder. The page's policy holds.

import { launch, visit } from './browser.mjs';
import { drive, saw } from './tell.mjs';

const LOOKS = {
  light: { colorScheme: 'light', viewport: { width: 1100, height: 760 } },
  dark: { colorScheme: 'dark', viewport: { width: 1100, height: 760 } },
  phone: { colorScheme: 'light', viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true },
};
const VIEWS = { talk: '/', sessions: '/sessions', inspector: '/dev', status: '/status' };

await drive(async ({ link, pictures: folder }) => {
  const browser = await launch();
  try {
    const context = await browser.newContext();
    const page = await visit(context, saw);
    await page.goto(link.replace('/#', '/?transport=ws#'));
    await page.getByRole('button', { name: 'Talk', exact: true }).waitFor();
    for (const [look, { viewport, colorScheme }] of Object.entries(LOOKS)) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize(viewport);
      await page.getByRole('link', { name: 'Talk' }).click();
      await page.screenshot({ path: `${folder}/begin-${look}.png` });
    }
    await page.getByLabel('Type a message').fill('Say hello.');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelectorAll('.assistant.heard').length === 1, undefined, { timeout: 30_000 });
    saw('typed', await page.evaluate(() => ({ transport: voicemode.shown().transport, tracks: witness.alive().tracks })));
    for (const [look, { viewport, colorScheme }] of Object.entries(LOOKS)) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize(viewport);
      for (const [name, path] of Object.entries(VIEWS)) {
        await page.locator(`nav a[href="${path}"]`).click();
        await page.waitForTimeout(600);
        await page.screenshot({ path: `${folder}/${name}-${look}.png` });
        saw('view', await page.evaluate((facts) => ({ ...facts, wide: document.documentElement.scrollWidth - innerWidth, live: voicemode.shown().turns.base }), { look, name }));
      }
    }
    await page.locator('nav a[href="/dev"]').click();
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download NDJSON' }).click();
    await (await download).saveAs(`${folder}/events.ndjson`);
  } finally {
    await browser.close();
  }
});
