// Ask @sd-jwt/jwt-status-list what a status list says, or let it write one.
//
//   status.mjs read TOKEN_FILE     its words are all statuses, as a JSON array
//   status.mjs write JSON_FILE     {"statuses": […], "bits": 2}; its words are the member `lst`
//
// It verifies no signature. Prints one line of JSON; exits 0 if the list is read, 1 if it is
// refused, 2 if there is no verdict.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const PACKAGE = "@sd-jwt/jwt-status-list";
const installed = new URL("../../../.oracles/node/", import.meta.url);
const library = createRequire(installed)(PACKAGE);
const { version } = JSON.parse(
  readFileSync(new URL(`node_modules/${PACKAGE}/package.json`, installed), "utf8"),
);

function read(file) {
  const list = library.getListFromStatusListJWT(readFileSync(file, "utf8").trim());
  return JSON.stringify(list.statusList);
}

function write(file) {
  const { statuses, bits } = JSON.parse(readFileSync(file, "utf8"));
  return new library.StatusList(statuses, bits).compressStatusList();
}

function main([kind, file]) {
  const does = { read, write }[kind];
  if (does === undefined || file === undefined) throw new Error("usage: status.mjs read|write FILE");
  const verdict = { oracle: `status-list-${kind}`, version: `${PACKAGE} ${version}`, accepted: true };
  try {
    verdict.detail = does(file);
  } catch (error) {
    if (!/^SLException$|^Error$/.test(error.constructor.name) || error.code) throw error;
    verdict.accepted = false;
    verdict.detail = error.message;
  }
  console.log(JSON.stringify(verdict));
  return verdict.accepted ? 0 : 1;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  console.error(error);
  process.exitCode = 2;
}
