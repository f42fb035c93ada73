// Ask @transmute/cose for its verdict on an RFC 9942 receipt.
//
//   receipt.mjs inclusion KEY_JWK_FILE RECEIPT_FILE ENTRY_FILE
//   receipt.mjs consistency KEY_JWK_FILE RECEIPT_FILE OLD_ROOT_HEX NEW_ROOT_HEX
//
// The leaf is SHA-256(0x00 || entry), made by the library itself. Prints one line of JSON;
// exits 0 if the receipt is accepted, 1 if rejected, 2 if there is no verdict: bad usage,
// an unreadable file, a key the library does not know, or an error that is a crash of the
// library (TypeError and the like) and not its refusal.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const PACKAGE = "@transmute/cose";
const ALGORITHMS = ["ES256", "ES384", "ES512"]; // all that its verifier can do
const ROOT_BYTES = 32;

const require = createRequire(new URL("../../../.oracles/node/", import.meta.url));
const cose = require(PACKAGE);

class Rejection extends Error {}

function readKey(path) {
  const key = JSON.parse(readFileSync(path, "utf8"));
  if (!ALGORITHMS.includes(key.alg)) {
    throw new Error(`key is for ${key.alg}, ${PACKAGE} knows ${ALGORITHMS}`);
  }
  return key;
}

function readRoot(hex) {
  const root = Buffer.from(hex, "hex");
  if (root.length !== ROOT_BYTES) throw new Error(`root of ${root.length} bytes`);
  return cose.cbor.toArrayBuffer(root);
}

async function judge(check) {
  try {
    return await check();
  } catch (error) {
    const refused = error.constructor === Error || error.name === "UnexpectedDataError";
    throw refused ? new Rejection(error.message) : error;
  }
}

async function judgeInclusion(verifier, receipt, entryFile) {
  const entry = await cose.receipt.leaf(new Uint8Array(readFileSync(entryFile)));
  await judge(() => cose.receipt.inclusion.verify({ entry, receipt, verifier }));
  return "the entry's leaf leads to the signed root";
}

async function judgeConsistency(verifier, receipt, oldRootHex, newRootHex) {
  const [oldRoot, newRoot] = [readRoot(oldRootHex), readRoot(newRootHex)];
  const consistent = await judge(() =>
    cose.receipt.consistency.verify({ oldRoot, newRoot, receipt, verifier }),
  );
  if (consistent !== true) throw new Rejection("the proof does not lead to both roots");
  return "the old root is a prefix of the signed root";
}

async function main([kind, keyFile, receiptFile, ...rest]) {
  const judges = { inclusion: [judgeInclusion, 1], consistency: [judgeConsistency, 2] };
  const [judgeKind, restCount] = judges[kind] ?? [];
  if (rest.length !== restCount) {
    throw new Error("usage: receipt.mjs inclusion|consistency KEY RECEIPT ENTRY|OLD NEW");
  }
  const key = readKey(keyFile);
  const verifier = cose.detached.verifier({ resolver: { resolve: async () => key } });
  const receipt = cose.cbor.toArrayBuffer(readFileSync(receiptFile));
  const verdict = {
    oracle: `transmute-${kind}`,
    version: `${PACKAGE} ${require(`${PACKAGE}/package.json`).version}`,
    accepted: true,
  };
  try {
    verdict.detail = await judgeKind(verifier, receipt, ...rest);
  } catch (error) {
    if (!(error instanceof Rejection)) throw error;
    verdict.accepted = false;
    verdict.detail = error.message;
  }
  console.log(JSON.stringify(verdict));
  return verdict.accepted ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error);
  process.exitCode = 2;
}
