"use strict";
// Asks the browser for passkeys, and hands to the service, byte for byte, what it answers.

const encode = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

const decode = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

const say = (id, words) => { document.getElementById(id).textContent = words; };

async function send(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const content = await answer.json();
  if (!answer.ok) {
    const advice = content.advice ? ` - ${content.advice}` : "";
    throw new Error(`${content.detail}${advice} (${content.reason || content.type})`);
  }
  return content;
}

async function sign(challenge, rpId, allowed) {
  const made = await navigator.credentials.get({ publicKey: {
    challenge: decode(challenge), rpId, userVerification: "required",
    allowCredentials: allowed ? [{ type: "public-key", id: allowed }] : [],
  } });
  return {
    authenticator_data: encode(made.response.authenticatorData),
    client_data: encode(made.response.clientDataJSON),
    signature: encode(made.response.signature),
  };
}

async function enrol(base, code) {
  const begun = await send(`${base}/passkeys/begin`, { code });
  const random = crypto.getRandomValues(new Uint8Array(32));
  const made = await navigator.credentials.create({ publicKey: {
    challenge: decode(begun.challenge),
    rp: { id: begun.rp_id, name: begun.log },
    user: { id: random, name: begun.name, displayName: begun.name },
    pubKeyCredParams: begun.algorithms.map((alg) => ({ type: "public-key", alg })),
    authenticatorSelection: { residentKey: "required", userVerification: "required" },
    attestation: "none",
  } });
  const given = {
    code,
    attestation: encode(made.response.attestationObject),
    client_data: encode(made.response.clientDataJSON),
  };
  const { challenge } = await send(`${base}/passkeys/possession`, given);
  const agreed = await sign(challenge, begun.rp_id, made.rawId);
  const done = await send(`${base}/passkeys`, { made: given, agreed });
  if (done.index === null) {
    return "The passkey is made, and waits until the key that you have in this log agrees.";
  }
  return `The passkey is registered, at index ${done.index} of ${begun.log}.`;
}

async function answer(button) {
  const { challenge, rp, declined } = button.dataset;
  const agreed = await sign(challenge, rp, null);
  const done = await send(location.pathname, { ...agreed, declined: declined === "true" });
  const word = done.declined ? "Declined" : "Approved";
  return `${word}. Registered at index ${done.indexes.join(" and ")}.`;
}

async function attempt(work) {
  const buttons = [...document.querySelectorAll("button")];
  buttons.forEach((button) => { button.disabled = true; });
  say("problem", "");
  say("status", "Waiting for your passkey …");
  try {
    say("status", await work());
  } catch (error) {
    say("status", "");
    say("problem", error.message);
    buttons.forEach((button) => { button.disabled = false; });
  }
}

const form = document.getElementById("make");
if (form) {
  const code = document.getElementById("code");
  code.value = decodeURIComponent(location.hash.slice(1));
  if (code.value) history.replaceState(null, "", location.pathname);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(() => enrol(form.dataset.base, code.value.trim()));
  });
}
for (const button of document.querySelectorAll("button[data-challenge]")) {
  button.addEventListener("click", () => attempt(() => answer(button)));
}
const mine = document.getElementById("mine");
if (mine) {
  // An address may bring both behind `#`, which browsers do not send.
  const [receipt, code] = decodeURIComponent(location.hash.slice(1)).split(".");
  if (code) {
    mine.elements.receipt.value = receipt;
    mine.elements.code.value = code;
    history.replaceState(null, "", location.pathname);
  }
  const chosen = document.getElementById("file");
  document.getElementById("choose").hidden = false;
  chosen.addEventListener("change", async () => {
    const bytes = new Uint8Array(await chosen.files[0].arrayBuffer());
    const text = new TextDecoder().decode(bytes);
    const isText = text.startsWith("{") || text.startsWith("c2sp.org/");
    mine.elements.receipt.value = isText ? text : encode(bytes.slice(0, 65536));
  });
}
