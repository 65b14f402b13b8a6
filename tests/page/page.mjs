// Opens pages that `formulac impact` writes, uses them as people do, and fails where one does not do what it should.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [root, work] = process.argv.slice(2);
const EVIL = `</script><img src=x onerror="window.hurt=1">|\`"'\\\n<b>{{x}}`;

/** A project with the fixture's manifest, or with one of its own. */
function project(name, manifest) {
  const folder = mkdtempSync(join(work, `${name}-`));
  mkdirSync(join(folder, "target"));
  if (manifest) writeFileSync(join(folder, "target/manifest.json"), JSON.stringify(manifest));
  else
    for (const file of ["manifest.json", "catalog.json", "run_results.json"])
      cpSync(join(root, "tests/artifacts/dbt_1_12", file), join(folder, "target", file));
  writeFileSync(join(folder, "dbt_project.yml"), "name: acme_analytics\nprofile: acme\n");
  return folder;
}

function page(folder, ...args) {
  execFileSync(process.env.FORMULAC, ["impact", ...args, "--out", "impact.html"], { cwd: folder, stdio: "pipe" });
  return pathToFileURL(join(folder, "impact.html")).href;
}

const node = (id, name, read, more = {}) => ({
  unique_id: id, name, resource_type: "model", package_name: "x", relation_name: `"d"."${id}"`, description: EVIL,
  columns: { a: { name: "a", description: EVIL } }, config: { meta: { owner: EVIL } }, raw_code: `select 1 -- ${EVIL}`,
  compiled_code: read.length ? `select a from "d"."${read[0]}"` : "select 1 as a", original_file_path: EVIL,
  depends_on: { nodes: read }, ...more,
});
const hostile = {
  metadata: { dbt_schema_version: "https://schemas.getdbt.com/dbt/manifest/v12.json", adapter_type: "duckdb" },
  nodes: { "model.x.first": node("model.x.first", "first", []), "model.x.evil": node("model.x.evil", EVIL, ["model.x.first"]) },
  exposures: { "exposure.x.e": { unique_id: "exposure.x.e", name: EVIL, owner: { name: EVIL }, depends_on: { nodes: ["model.x.evil"] } } },
};

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});

async function open(url, colorScheme = "light") {
  const context = await browser.newContext({ viewport: { width: 1400, height: 1000 }, colorScheme });
  const view = await context.newPage();
  const said = [];
  view.on("console", (message) => said.push(message.text()));
  view.on("pageerror", (error) => said.push(String(error)));
  view.on("request", (request) => request.url() === url || said.push(`asked for ${request.url()}`));
  await view.goto(url);
  return { view, said, context };
}

const steps = {
  async "it is used with mouse and keyboard"() {
    const { view, said, context } = await open(page(project("fixture"), "stg_orders.order_total"));
    assert.match(await view.locator("h1").textContent(), /^1 change alters values in/);
    assert.equal(await view.title(), "Impact of stg_orders.order_total – formulac impact");
    assert.match(await view.locator("header p").first().textContent(), /^formulac impact · dbt project acme_analytics · manifest of \d{4}-\d\d-\d\d \d\d:\d\d UTC$/);
    assert.equal(await view.locator("#graph").evaluate((graph) => graph.scrollLeft), 0);
    const rows = view.locator("tbody tr");
    const all = await rows.count();
    assert.ok(all > 5, `${all} rows`);
    // The first stop of the keyboard is the filter, then the list; nodes of the picture are not met twice.
    await view.keyboard.press("Tab");
    assert.equal(await view.evaluate(() => document.activeElement.type), "search");
    await view.keyboard.type("exposure");
    const shown = await rows.filter({ visible: true }).count();
    assert.ok(shown > 0 && shown < all, `${shown} of ${all}`);
    assert.equal(await view.getByRole("status").textContent(), `${shown} of ${all}`);
    for (let at = 0; at < 8; at++) await view.keyboard.press("Backspace");
    assert.equal(await rows.filter({ visible: true }).count(), all);
    await view.keyboard.press("Tab");
    const focused = () => view.evaluate(() => [document.activeElement.closest("#list") !== null, document.activeElement.dataset.node]);
    assert.deepEqual(await focused(), [true, "0"]);
    await view.keyboard.press("ArrowDown");
    assert.deepEqual(await focused(), [true, "1"]);
    await view.keyboard.press("Enter");
    const title = () => view.locator("#detail h3").textContent();
    const label = await view.locator("#list button").nth(1).innerText();
    assert.equal(await title(), label.split("\n")[0]);
    await view.keyboard.press("End");
    assert.deepEqual(await focused(), [true, String((await view.locator("#list button").count()) - 1)]);
    // The mouse selects in the picture, and the list follows.
    await view.locator("#graph button").nth(2).click();
    assert.equal(await view.locator("#list button[aria-pressed=true]").getAttribute("data-node"), "2");
    assert.ok((await view.locator("#graph path.on").count()) > 0);
    assert.equal(await view.locator("#graph button[tabindex='-1']").count(), await view.locator("#graph button").count());
    const folded = view.locator("nav details");
    if (await folded.count()) {
      await folded.locator("summary").click();
      assert.ok(await folded.locator("li").first().isVisible());
    }
    assert.deepEqual(said, []);
    await context.close();
  },
  async "it is read without a script, and fits a narrow window"() {
    const url = page(project("plain"), "stg_orders.order_total");
    const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 420, height: 800 } });
    const view = await context.newPage();
    await view.goto(url);
    assert.ok((await view.locator("tbody tr").count()) > 5);
    assert.ok((await view.locator("#list button").count()) > 5);
    await context.close();
    const narrow = await open(url);
    await narrow.view.setViewportSize({ width: 420, height: 800 });
    const wide = await narrow.view.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 420, `it is ${wide} wide`);
    const cut = await narrow.view.evaluate(() =>
      [...document.querySelectorAll("tbody th, tbody td")].filter((cell) => cell.getBoundingClientRect().right > 420 || cell.scrollWidth > cell.clientWidth + 1).length);
    assert.equal(cut, 0, `${cut} cells are cut`);
    await narrow.view.screenshot({ path: join(work, "narrow.png") });
    await narrow.context.close();
  },
  async "names that try to be something else are text"() {
    const { view, said, context } = await open(page(project("hostile", hostile), "first.a"));
    const count = await view.locator("#list button").count();
    for (let at = 0; at < count; at++) {
      await view.locator("#list button").nth(at).click();
      assert.equal(await view.locator("img, b").count(), 0);
    }
    assert.match(await view.locator("#detail").textContent(), /<\/script><img/);
    assert.equal(await view.evaluate(() => window.hurt), undefined);
    assert.deepEqual(said, []);
    await context.close();
  },
  async "pictures, and letters that stand out from what is behind them"() {
    const url = page(project("picture"), "stg_orders.order_total", "--removed");
    for (const scheme of ["light", "dark"]) {
      const { view, said, context } = await open(url, scheme);
      await view.screenshot({ path: join(work, `${scheme}.png`), fullPage: true });
      // The contrast that WCAG asks for, of every element that holds text itself.
      const faint = await view.evaluate(() => {
        const light = (color) => {
          const [r, g, b] = color.match(/[\d.]+/g).map((part) => part / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const behind = (element) => {
          for (let at = element; at; at = at.parentElement) {
            const color = getComputedStyle(at).backgroundColor;
            if (!/, 0\)$|transparent/.test(color)) return color;
          }
          return "rgb(255, 255, 255)";
        };
        const own = [...document.querySelectorAll("body *")].filter(
          (it) => !["SCRIPT", "STYLE"].includes(it.tagName) && [...it.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim()));
        const ratio = (it) => {
          const [a, b] = [light(getComputedStyle(it).color), light(behind(it))].sort((x, y) => y - x);
          return (a + 0.05) / (b + 0.05);
        };
        return own.filter((it) => ratio(it) < 4.5).map((it) => `${it.tagName} ${it.className} ${it.textContent.slice(0, 30)}`);
      });
      assert.deepEqual(faint, [], scheme);
      assert.deepEqual(said, []);
      await context.close();
    }
  },
};

let failed = 0;
for (const [name, step] of Object.entries(steps)) {
  try {
    await step();
    console.log(`ok   ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}\n${error.stack}`);
  }
}
await browser.close();
console.log(`pictures: ${join(work, "light.png")}, ${join(work, "dark.png")}`);
process.exit(failed ? 1 : 0);
