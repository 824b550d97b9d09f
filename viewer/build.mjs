// Builds the viewer into the Python package: `node build.mjs`, or `node build.mjs --check` to compare only.
import { build } from "esbuild";
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const target = fileURLToPath(new URL("../src/insideLLMs/report/viewer/", import.meta.url));
const terms = await readFile(`${here}node_modules/diff/LICENSE`, "utf8");
// Its licence asks that the notice goes with every copy, and every page is one.
const licence = `/* with parts of jsdiff:\n${terms.trim()}\n*/`;

const shared = { absWorkingDir: here, bundle: true, minify: true, charset: "ascii", write: false };
const program = { format: "iife", target: "es2022", legalComments: "none" };
const made = {};
for (const [name, source] of Object.entries({ viewer: "main", home: "home", label: "label" })) {
  const notice = name === "viewer" ? { banner: { js: licence } } : {}; // the only one with jsdiff in it
  const built = await build({ ...shared, ...program, ...notice, entryPoints: [`src/${source}.ts`] });
  made[`${name}.js`] = built.outputFiles[0].text;
}
for (const name of ["viewer", "served"]) {
  const target = ["chrome123", "firefox120", "safari17.5"];
  const built = await build({ ...shared, target, entryPoints: [`src/${name}.css`] });
  made[`${name}.css`] = built.outputFiles[0].text;
}

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
