// Questions to the server: the token where one is asked for, patience where it is busy, one line where it refuses.

import { byId } from "./dom.js";

const PATIENCE = 4; // times that a busy server is asked again
let token = sessionStorage.getItem("token");
let asking = null;

/** The response to a request. Errors: Error with the server's own line. */
export async function ask(path, { method = "GET", body = null, headers = {} } = {}) {
  for (let tries = 0; ; ) {
    const sent = { ...headers };
    if (token) sent.Authorization = `Bearer ${token}`;
    if (body) sent["Content-Type"] = "application/octet-stream";
    let response;
    try {
      // Without credentials a browser leaves asking for the token to this page.
      response = await fetch(path, { method, body, headers: sent, credentials: "omit" });
    } catch {
      throw new Error("the server does not answer");
    }
    if (response.ok || response.status === 304) return response;
    if (response.status === 401) {
      asking ??= askForToken(token ? "That was not the token." : "").finally(() => (asking = null));
      await asking;
      continue;
    }
    if ([429, 503, 504].includes(response.status) && tries++ < PATIENCE) {
      await new Promise((resolve) => setTimeout(resolve, 1000 * Number(response.headers.get("Retry-After") ?? 1)));
      continue;
    }
    throw new Error(await reason(response));
  }
}

export const askJson = async (path, options) => (await ask(path, options)).json();
export const askBlob = async (path, options) => (await ask(path, options)).blob();

async function reason(response) {
  try {
    return (await response.json()).error ?? `the server says ${response.status}`;
  } catch {
    return `the server says ${response.status}`;
  }
}

function askForToken(complaint) {
  const dialog = byId("token");
  const field = byId("token-value");
  byId("token-error").textContent = complaint;
  field.value = "";
  dialog.oncancel = (event) => event.preventDefault();
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => {
      token = field.value;
      sessionStorage.setItem("token", token);
      resolve();
    };
  });
}
