// The API, by a session: its cookie is out of a script's reach, and changes carry what only this page was told.

// Says that somebody signed in, so that no session is asked for where there is none.
const KEY = "postil-signed-in";
let csrf = "";

/** Sign in with a token, which is not kept. */
export async function signIn(token) {
  const options = { method: "POST", headers: { Authorization: `Bearer ${token}` } };
  ({ csrf } = await (await answered("/v1/session", options)).json());
  localStorage.setItem(KEY, "1");
}

/** Who is signed in: {name, access}, or null. */
export async function session(signal) {
  if (!localStorage.getItem(KEY)) return null;
  try {
    const found = await get("/v1/session", signal);
    ({ csrf } = found);
    return found;
  } catch (error) {
    if (error.status !== 401) throw error;
    localStorage.removeItem(KEY);
    return null;
  }
}

export async function signOut() {
  await answered("/v1/session", { method: "DELETE" });
  localStorage.removeItem(KEY);
}

/** `status` 0: there was no answer. `field`: the part of the request that is at fault, null where the API names none. */
export class ApiError extends Error {
  constructor(status, words, field = null) {
    super(words);
    this.status = status;
    this.field = field;
  }
}

export const campaignPath = (id) => `/v1/campaigns/${encodeURIComponent(id)}`;

async function answered(path, options = {}) {
  const headers = { Accept: "application/json", "X-CSRF-Token": csrf, ...options.headers };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The server does not answer.");
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw refused(response.status, problem);
}

const refused = (status, problem) => new ApiError(status, problem.detail || `The server answered ${status}.`, problem.field ?? null);

/** `maxAge`: how many seconds old the answer may be, so that many pages that ask at once cost the server what one does. */
export async function get(path, signal, maxAge = null) {
  const headers = maxAge === null ? {} : { "Cache-Control": `max-age=${maxAge}` };
  return (await answered(path, { signal, headers })).json();
}

export async function patch(path, body) {
  return (await answered(path, { method: "PATCH", ...json(body) })).json();
}

export async function post(path, body) {
  return (await answered(path, { method: "POST", ...(body === undefined ? {} : json(body)) })).json();
}

const json = (body) => ({ body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });

/** POST a file; `sent(bytes)` hears how far it is, which fetch cannot tell. Raises AbortError where `signal` ends it. */
export function postFile(path, file, headers, sent, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    for (const [name, value] of Object.entries({ Accept: "application/json", "X-CSRF-Token": csrf, ...headers })) request.setRequestHeader(name, value);
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => sent(event.loaded));
    request.addEventListener("load", () => (request.status < 300 ? resolve(request.response) : reject(refused(request.status, request.response ?? {}))));
    request.addEventListener("error", () => reject(new ApiError(0, "The connection broke: what was stored of it stays.")));
    request.addEventListener("abort", () => reject(new DOMException("The upload was stopped.", "AbortError")));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

export async function download(path, name) {
  const url = URL.createObjectURL(await (await answered(path, { headers: { Accept: "*/*" } })).blob());
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Follow a campaign's events for ever: `hear({id, event, data})` for each, `state(words)` when the line breaks. */
export async function follow(campaign, after, hear, state, signal) {
  let last = after;
  for (let pause = 1; !signal.aborted; pause = Math.min(2 * pause, 15)) {
    try {
      const headers = { Accept: "text/event-stream", "Last-Event-ID": String(last) };
      const response = await answered(`${campaignPath(campaign)}/events`, { headers, signal });
      state("");
      pause = 1;
      for await (const message of messages(response.body)) {
        if (message.id !== null) last = message.id;
        hear(message);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 401) return state("Signed out");
      if (error.status === 404) return state("Deleted");
    }
    state("Connecting …");
    await new Promise((resolve) => setTimeout(resolve, 1000 * pause));
  }
}

async function* messages(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (held + value).split("\n\n");
    held = blocks.pop();
    for (const block of blocks) {
      const message = { id: null, event: "message", data: "" };
      for (const line of block.split("\n")) {
        if (line.startsWith("id: ")) message.id = Number(line.slice(4));
        if (line.startsWith("event: ")) message.event = line.slice(7);
        if (line.startsWith("data: ")) message.data += line.slice(6);
      }
      if (message.data) yield { ...message, data: JSON.parse(message.data) };
    }
  }
}
