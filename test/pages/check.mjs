// Looks at pages in Chromium and fails if something is wrong with them. It reads from standard input what to look at:
// {base, out, chromium, pages: [{name, path, has: [pattern]}], widths, schemes, keyboard, live, plain, zoom: path of a page with pictures over time}
import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const job = JSON.parse(readFileSync(0, "utf8"));
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const wrong = [];
const say = (where, what) => wrong.push(`${where}: ${what}`);

mkdirSync(job.out, { recursive: true });
// Without these flags Chromium asks hosts of its own for updates.
const browser = await chromium.launch({
  executablePath: job.chromium,
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--force-color-profile=srgb"],
});

// open returns a page that tells whatever is wrong in it, under the name that at() has.
async function open(options, at) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.on("console", (m) => { if (m.type() === "error" || m.type() === "warning") say(at(), `console: ${m.text()}`); });
  page.on("pageerror", (e) => say(at(), `error: ${e.message}`));
  page.on("dialog", (d) => { say(at(), `dialog: ${d.message()}`); d.dismiss(); });
  page.on("request", (r) => { if (!r.url().startsWith(job.base + "/")) say(at(), `foreign request: ${r.url()}`); });
  page.on("response", (r) => { if (r.status() >= 400) say(at(), `${r.status()} ${r.url()}`); });
  page.on("requestfailed", (r) => { if (!r.failure().errorText.includes("ABORTED")) say(at(), `failed: ${r.url()} ${r.failure().errorText}`); });
  await page.addInitScript(() => document.addEventListener("securitypolicyviolation", (e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`)));
  return page;
}

for (const width of job.widths ?? [375, 1440]) {
  for (const scheme of job.schemes ?? ["light", "dark"]) {
    let name = "";
    const at = () => `${name} at ${width} px, ${scheme}`;
    const page = await open({ viewport: { width, height: 900 }, colorScheme: scheme }, at);
    for (const p of job.pages) {
      name = p.name;
      await page.goto(job.base + p.path);
      const seen = await page.evaluate(() => ({
        over: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        text: document.body.innerText.replace(/\s+/g, " "),
        mute: [...document.querySelectorAll("span.state")].filter((e) => !e.textContent.trim()).length + [...document.querySelectorAll("rect.state")].filter((e) => !e.querySelector("title")?.textContent).length,
        unnamed: [...document.querySelectorAll("svg")].filter((e) => !e.getAttribute("aria-label")).length,
        back: getComputedStyle(document.body).backgroundColor,
      }));
      if (seen.over > 0) say(at(), `scrolls sideways by ${seen.over} px`);
      if (seen.mute + seen.unnamed > 0) say(at(), `${seen.mute} states and ${seen.unnamed} pictures without words`);
      const dark = seen.back.match(/\d+/g).slice(0, 3).every((c) => Number(c) < 100);
      if (dark !== (scheme === "dark")) say(at(), `background ${seen.back}`);
      for (const has of p.has ?? []) if (!new RegExp(has).test(seen.text)) say(at(), `no ${has} in: ${seen.text.slice(0, 3000)}`);
      await page.evaluate(axe + ";0");
      const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
      for (const v of found.violations) {
        if (v.impact === "serious" || v.impact === "critical") say(at(), `axe: ${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200)).join(" | ")}`);
      }
      await page.screenshot({ path: `${job.out}/${p.name}-${width}-${scheme}.png`, fullPage: true });
    }
    await page.context().close();
  }
}

if (job.keyboard) {
  const page = await open({ viewport: { width: 1440, height: 900 } }, () => "keyboard");
  await page.addInitScript(() => { window.setInterval = () => 0; }); // what is counted must not change meanwhile
  for (const p of job.pages) {
    await page.goto(job.base + p.path);
    const wanted = await page.evaluate(() => [...document.querySelectorAll("a[href], button, select, summary, [tabindex='0']")].filter((e) => e.checkVisibility()).length);
    let reached = 0;
    const order = [];
    for (; reached <= wanted; reached++) {
      await page.keyboard.press("Tab");
      const focus = await page.evaluate(() => { const e = document.activeElement, s = getComputedStyle(e); return { none: e === document.body, ring: s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2, html: e.outerHTML.slice(0, 120) }; });
      if (focus.none || reached > 0 && focus.html === order[0]) break; // behind the last one, or at the first one again
      order.push(focus.html);
      if (!focus.ring) say("keyboard", `${p.name}: no ring around ${focus.html}`);
    }
    if (reached !== wanted) say("keyboard", `${p.name}: ${reached} of ${wanted} reached`);
  }
  // From the first page to a feature and another window, by keys alone.
  await page.goto(job.base + "/");
  const go = async (find) => {
    for (let i = 0; i < 200; i++) {
      await page.keyboard.press("Tab");
      if (await page.evaluate(find)) return;
    }
    say("keyboard", `never at ${find}`);
  };
  await go("document.activeElement.matches('.card h3 a')");
  await Promise.all([page.waitForURL("**/model**"), page.keyboard.press("Enter")]);
  await go("document.activeElement.id === 'window'");
  await page.keyboard.press("ArrowDown");
  await go("document.activeElement.matches('.choose button')");
  await Promise.all([page.waitForURL("**/model?*window=1h*"), page.keyboard.press("Enter")]);
  await go("document.activeElement.matches('tbody th a')");
  await Promise.all([page.waitForURL("**/feature**"), page.keyboard.press("Enter")]);
  await page.context().close();
}

if (job.live) { // the page goes on by itself, in its place and with its focus, and says so when the server is gone
  const page = await open({ viewport: { width: 1440, height: 900 } }, () => "live");
  await page.goto(job.base + "/");
  await page.evaluate(() => { window.same = true; document.querySelector(".card h3 a").focus(); });
  const before = await page.textContent("#fresh");
  await page.waitForFunction((was) => document.getElementById("fresh").textContent !== was, before, { timeout: 30000 });
  if (!(await page.evaluate(() => window.same && document.activeElement.matches(".card h3 a")))) say("live", "the page was loaded anew, or lost its focus");
  await page.context().close();
}

// span returns how many seconds the first picture over time of a page shows.
const span = (page) => page.evaluate(() => { const d = document.querySelector("svg[data-from]").dataset; return d.to - d.from; });

if (job.zoom) { // drawing across a picture, or a link by keys, shows a time without loading the page anew, and back is back
  const page = await open({ viewport: { width: 1440, height: 900 } }, () => "zoom");
  await page.goto(job.base + job.zoom);
  await page.evaluate(() => { window.same = true; });
  const whole = await span(page);
  const draw = async (from, to, end) => {
    const svg = page.locator("svg.plot").first();
    await svg.scrollIntoViewIfNeeded();
    const box = await svg.boundingBox(), x = (part) => box.x + box.width * (48 + part * 582) / 640, y = box.y + box.height / 2;
    await page.mouse.move(x(from), y);
    await page.mouse.down();
    await page.mouse.move(x(to), y, { steps: 4 });
    await end();
  };
  const shows = (least, most) => page.waitForFunction(([least, most]) => { const d = document.querySelector("svg[data-from]")?.dataset; return d && d.to - d.from >= least && d.to - d.from <= most; }, [least, most], { timeout: 8000 })
    .catch(async () => say("zoom", `shows ${await span(page)} s of ${whole}, not ${least} to ${most}`));
  await draw(0.25, 0.75, async () => { await page.keyboard.press("Escape"); await page.mouse.up(); });
  if (/from=/.test(page.url()) || (await page.locator("svg .chosen").count()) > 0) say("zoom", `Escape leads to ${page.url()}`);
  await draw(0.75, 0.25, () => page.mouse.up());
  await shows(0.48 * whole, 0.52 * whole);
  if (!/[?&]from=[^&]+Z&to=[^&]+Z$/.test(page.url())) say("zoom", `drawing leads to ${page.url()}`);
  await page.screenshot({ path: `${job.out}/zoom-1440-light.png`, fullPage: true });
  await draw(0, 0.5, () => page.mouse.up()); // of what is shown
  await shows(0.23 * whole, 0.27 * whole);
  await page.goBack();
  await shows(0.48 * whole, 0.52 * whole);
  await page.evaluate(() => [...document.querySelectorAll(".zoom a")].find((a) => a.textContent === "last 15m").focus());
  await page.keyboard.press("Enter");
  await shows(900, 900);
  if (!(await page.evaluate(() => window.same && document.activeElement.textContent === "last 15m" && document.activeElement.matches("[aria-current]")))) say("zoom", "the page was loaded anew, or lost its focus");
  await page.context().close();
}

if (job.plain) { // without JavaScript
  const page = await open({ javaScriptEnabled: false }, () => "without JavaScript");
  await page.goto(job.base + job.pages[0].path);
  const text = (await page.textContent("main")).replace(/\s+/g, " ");
  for (const has of job.pages[0].has ?? []) if (!new RegExp(has).test(text)) say("without JavaScript", `no ${has}`);
  if (job.zoom) {
    await page.goto(job.base + job.zoom);
    await page.locator(".zoom a", { hasText: "last 15m" }).click();
    await page.waitForURL("**last=15m**");
    const of = await page.locator("svg[data-from]").first().evaluate((e) => [e.getAttribute("data-from"), e.getAttribute("data-to")]);
    if (of[1] - of[0] !== 900) say("without JavaScript", `shows ${of}`);
  }
  await page.context().close();
}

await browser.close();
for (const w of wrong.slice(0, 60)) console.log(w);
if (wrong.length) { console.log(`${wrong.length} things are wrong`); process.exit(1); }
console.log(`${job.pages.length} pages: nothing is wrong`);
