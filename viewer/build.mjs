// Builds the viewer into the Python package: `node build.mjs`, or `node build.mjs --check` to compare only.
import { build } from "esbuild";
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const target = fileURLToPath(new URL("../src/insideLLMs/report/viewer/", import.meta.url));
const terms = await readFile(`${here}node_modules/diff/LICENSE`, "utf8");
// Its licence asks that the notice goes with every copy, and every page is one.
const licence = `/* with parts of jsdiff:\n${terms.trim()}\n*/`;

const script = await build({
  absWorkingDir: here,
  entryPoints: ["src/main.ts"],
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "ascii",
  legalComments: "none",
  banner: { js: licence },
  write: false,
});
const style = await build({
  absWorkingDir: here,
  entryPoints: ["src/viewer.css"],
  bundle: true,
  minify: true,
  target: ["chrome123", "firefox120", "safari17.5"],
  charset: "ascii",
  write: false,
});
const made = { "viewer.js": script.outputFiles[0].text, "viewer.css": style.outputFiles[0].text };

let stale = false;
for (const [name, text] of Object.entries(made)) {
  if (/<\/script|<\/style|<!--/i.test(text)) throw new Error(`${name} holds text that would end its element`);
  if (process.argv.includes("--check")) {
    if ((await readFile(target + name, "utf8")) !== text) {
      console.error(`${name} is not what its sources give: run \`npm run build\` in viewer/`);
      stale = true;
    }
  } else {
    await writeFile(target + name, text);
    console.log(`${name} ${text.length} bytes`);
  }
}
process.exit(stale ? 1 : 0);
