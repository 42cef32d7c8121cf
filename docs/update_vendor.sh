#!/bin/sh
# Copies the browser files of the packages in package-lock.json to static/vendor and records their checksums.
# npm ci refuses a tarball that does not have the integrity of the lock, so what is copied is what was locked.
# Change a version in package.json first; see static/vendor/README.md.
set -eu
cd "$(dirname "$0")/.."

npm ci --ignore-scripts --no-audit --no-fund

node - <<'JAVASCRIPT'
const crypto = require("crypto");
const fs = require("fs");
const path = require("path");

const wanted = {
  "bootstrap": { "bootstrap.min.css": "dist/css/bootstrap.min.css", "LICENSE": "LICENSE" },
  "htmx.org": { "htmx.min.js": "dist/htmx.min.js", "LICENSE": "LICENSE" },
};
const lock = JSON.parse(fs.readFileSync("package-lock.json", "utf8")).packages;
const vendor = "static/vendor";
const checksums = {};

for (const entry of fs.readdirSync(vendor, { withFileTypes: true })) {
  if (entry.isDirectory()) fs.rmSync(path.join(vendor, entry.name), { recursive: true });
}
for (const [name, files] of Object.entries(wanted)) {
  const { version, integrity } = lock[`node_modules/${name}`];
  const folder = `${name}@${version}`;
  fs.mkdirSync(path.join(vendor, folder), { recursive: true });
  checksums[folder] = { integrity, files: {} };
  for (const [target, source] of Object.entries(files)) {
    const content = fs.readFileSync(path.join("node_modules", name, source));
    fs.writeFileSync(path.join(vendor, folder, target), content);
    const digest = crypto.createHash("sha384").update(content).digest("base64");
    checksums[folder].files[target] = `sha384-${digest}`;
  }
}
fs.writeFileSync(path.join(vendor, "checksums.json"), JSON.stringify(checksums, null, 2) + "\n");
console.log(`static/vendor: ${Object.keys(checksums).join(", ")}`);
JAVASCRIPT
