// The page is loaded again and again, each time by a browser that has nothing of it: how long until it can be used.

import { launch } from './browser.mjs';
import { drive, saw } from './tell.mjs';

await drive(async ({ link, cycles }) => {
  const browser = await launch();
  try {
    const letIn = await browser.newContext();
    await (await letIn.newPage()).goto(link);
    const cookies = await letIn.cookies();
    for (let i = 0; i < Number(cycles); i += 1) {
      const context = await browser.newContext();
      await context.addCookies(cookies);
      const page = await context.newPage();
      // In the page's own time, from the beginning of its navigation: how fast the test's driver looks does not count.
      await page.addInitScript(() => {
        const watcher = new MutationObserver(() => {
          if (document.querySelector('.orb') === null) return;
          watcher.disconnect();
          requestAnimationFrame(() => setTimeout(() => (globalThis.usable = performance.now())));
        });
        watcher.observe(document, { subtree: true, childList: true });
      });
      await page.goto(new URL('/', link).href);
      await page.waitForFunction(() => globalThis.usable !== undefined);
      const bytes = await page.evaluate(() => performance.getEntriesByType('resource').reduce((sum, each) => sum + each.encodedBodySize, 0));
      saw('loaded', { seconds: (await page.evaluate(() => usable)) / 1000, bytes });
      await context.close();
    }
  } finally {
    await browser.close();
  }
});
