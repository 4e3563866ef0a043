// Somebody looks at every view, in light, in dark and on a phone. Each is judged by axe, and a picture of it is made.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { launch, visit } from './browser.mjs';
import { drive, saw } from './tell.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const AXE = readFileSync(createRequire(new URL('../../frontend/package.json', import.meta.url)).resolve('axe-core/axe.min.js'), 'utf8');
const DEADLINE_MS = 40_000;
const DESKTOP = { width: 1180, height: 780 };
const LOOKS = [
  { name: 'light', colorScheme: 'light', size: DESKTOP },
  { name: 'dark', colorScheme: 'dark', size: DESKTOP },
  { name: 'phone', colorScheme: 'light', size: { width: 390, height: 780 } },
];

await drive(async ({ link, wav, pictures }) => {
  const browser = await launch(wav);
  try {
    const context = await browser.newContext({ viewport: DESKTOP, reducedMotion: 'reduce', acceptDownloads: true });
    const page = await visit(context, saw);
    await page.addInitScript({ path: `${HERE}violations.js` });
    const until = (name, told) =>
      page.waitForFunction(told, undefined, { timeout: DEADLINE_MS, polling: 50 }).catch(() => {
        throw new Error(`${name}: not within ${DEADLINE_MS} ms`);
      });

    const look = async (view, on = page) => {
      for (const { name, colorScheme, size } of LOOKS) {
        await on.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        await on.setViewportSize(size);
        await on.waitForTimeout(150);
        await on.screenshot({ path: `${pictures}/${view}-${name}.png` });
        const wide = await on.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        await on.evaluate(AXE);
        const { violations } = await on.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
        const found = violations.map(({ id, impact, nodes }) => ({ id, impact, where: nodes.slice(0, 3).map(({ target, failureSummary }) => `${target}: ${failureSummary}`) }));
        saw('looked', { view, look: name, wide, found });
      }
      await on.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
      await on.setViewportSize(DESKTOP);
    };
    const open = (name) => page.getByRole('link', { name, exact: true }).click();

    await page.goto(link.replace('/#', '/?transport=ws#'));
    await page.getByRole('button', { name: 'Talk', exact: true }).waitFor();
    saw('address', { url: page.url() });
    await look('ready');
    await page.locator('.settings summary').click();
    await look('settings');
    await page.locator('.settings summary').click();

    await page.getByRole('button', { name: 'Talk', exact: true }).click();
    await until('the answer to what was said', () => document.querySelectorAll('.assistant').length > 0);
    await until('a part of it was heard', () => (document.querySelector('.assistant .heard')?.textContent ?? '').length > 20);
    await page.getByLabel('Type a message').fill('How far is it to the door?');
    await page.keyboard.press('Enter');
    await until('the second answer is heard', () => document.querySelectorAll('.assistant').length > 1 && (document.querySelectorAll('.assistant .heard')[1]?.textContent ?? '').length > 40);
    await look('talk');
    await page.getByRole('button', { name: 'End', exact: true }).click();
    await page.getByRole('button', { name: 'Good', exact: true }).click();
    await look('feedback');
    await page.getByRole('button', { name: 'Finish' }).click();
    await page.getByText('Thank you.').waitFor({ timeout: DEADLINE_MS });

    await open('Inspector');
    await page.getByRole('img').first().waitFor();
    saw('turns', { told: await page.getByRole('img').first().getAttribute('aria-labelledby').then((id) => page.evaluate((of) => document.getElementById(of).textContent, id)) });
    await look('inspector');
    await page.getByRole('tab', { name: 'Transcript' }).click();
    saw('transcript', { text: await page.getByRole('tabpanel').innerText() });
    await page.getByRole('tab', { name: 'Tools' }).click();
    await page.getByText('No tool was used yet.').waitFor();
    await page.getByRole('tab', { name: 'Events' }).click();
    await page.getByLabel('Type', { exact: true }).fill('response.');
    await page.locator('.events button').first().click();
    saw('events', { count: await page.locator('.events li').count(), shown: await page.locator('.split .json').textContent() });
    await look('events');
    const [ndjson] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'NDJSON' }).click()]);
    saw('ndjson', { text: readFileSync(await ndjson.path(), 'utf8') });

    await open('Sessions');
    await page.getByRole('link', { name: /Saturday/ }).waitFor();
    saw('sessions', { opened: await page.locator('.threads strong').allTextContents() });
    await page.getByRole('link', { name: /Saturday/ }).click();
    await page.getByRole('heading', { name: /Saturday/ }).waitFor();
    saw('reading', { text: await page.locator('.kept').innerText() });
    await look('sessions');
    await page.getByRole('button', { name: 'Play' }).first().click();
    await page.getByRole('button', { name: 'Stop' }).waitFor();
    saw('played', {});
    for (const [name, kind] of [['Markdown', 'markdown'], ['JSON', 'json']]) {
      const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name }).click()]);
      saw(kind, { name: download.suggestedFilename(), text: readFileSync(await download.path(), 'utf8') });
    }
    await page.getByLabel('Search what was said').fill('bridge');
    await page.getByText('1 place, best first').waitFor();
    await page.locator('.threads a').first().click();
    await page.locator('.sought').waitFor();
    saw('sought', { text: await page.locator('.sought .line').innerText() });
    await page.getByLabel('Search what was said').fill('');
    await page.getByRole('switch', { name: 'Incognito' }).click();
    saw('incognito', { on: await page.evaluate(() => voicemode.shown().incognito), says: await page.locator('.incognito p').innerText() });
    await page.getByRole('button', { name: 'Forget', exact: true }).click();
    await look('forget');
    await page.getByRole('button', { name: 'Forget it' }).click();
    await until('the thread is gone', () => !document.body.textContent.includes('Saturday'));
    saw('forgotten', { opened: await page.locator('.threads strong').allTextContents() });

    await open('Status');
    await page.getByText('You can talk').waitFor({ timeout: DEADLINE_MS });
    await until('all was looked at', () => document.querySelector('.status [aria-busy=true]') === null);
    saw('status', { text: await page.locator('main').innerText() });
    await look('status');
    saw('violations', { found: await page.evaluate(() => violations) });

    const stranger = await (await browser.newContext({ viewport: DESKTOP })).newPage();
    await stranger.goto(new URL('/sessions', link).href);
    await stranger.getByRole('heading').first().waitFor();
    await look('welcome', stranger);
  } finally {
    await browser.close();
  }
});
