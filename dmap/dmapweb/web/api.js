// Requests of the page. All addresses are relative, so that the page works under any path.

export const runPath = (key, rest = "") => "api/runs/" + encodeURIComponent(key) + rest;

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function answer(response) {
  const type = response.headers.get("Content-Type") || "";
  const body = type.includes("json") ? await response.json() : {};
  if (!response.ok) throw new Refused(response.status, body.error || "the server answered with status " + response.status);
  return body;
}

export const get = (path) => fetch(path, { cache: "no-store", signal: AbortSignal.timeout(20000) }).then(answer);

export const post = (path, body) =>
  fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal: AbortSignal.timeout(60000) }).then(answer);

export function query(values) {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value) out.set(name, value);
  const text = out.toString();
  return text ? "?" + text : "";
}

// Times are in ms, by a clock that nobody sets.
const now = () => performance.now();
const silence = 4000; // without a message after which the page polls
const retryStream = 30000;
const hiddenWait = 15000; // between two polls of a tab that nobody sees

// follow calls onState with each new state of a run: from a stream, or by polling where there is
// none, or where it is silent. onLink says how: "live", "polling" or an error. A tab that nobody
// sees polls, and holds no stream: a browser has six connections to a server, for all its tabs.
export function follow(key, onState, onLink) {
  let source = null;
  let last = -Infinity;
  let stored = false; // the run is not of this process: there is no stream
  let stopped = false;
  let timer = 0;
  let polling = false;
  let tried = -Infinity; // when the last stream was opened

  const connect = () => {
    if (stopped || source || document.hidden) return;
    tried = now();
    source = new EventSource(runPath(key, "/events"));
    source.addEventListener("state", (event) => {
      last = now();
      onState(JSON.parse(event.data), true);
      onLink("live");
    });
    source.addEventListener("end", () => {
      close();
      tried = -Infinity; // the run may be resumed
    });
    source.addEventListener("error", () => {
      if (source && source.readyState === EventSource.CLOSED) close();
    });
  };
  const close = () => {
    if (source) source.close();
    source = null;
  };
  const poll = async () => {
    if (polling) return;
    polling = true;
    clearTimeout(timer);
    let wait = 2000;
    if (now() - last > silence && !(document.hidden && stored)) {
      if (source && now() - Math.max(last, tried) > retryStream) close(); // its connection may be dead
      try {
        const state = await get(runPath(key) + (stored ? "?stored=1" : ""));
        if (stopped) return;
        if (now() - last > silence) {
          onState(state, false);
          onLink(state.run.live ? "polling" : "stored");
        }
        if (state.run.live) {
          stored = false;
          if (!source && now() - tried > retryStream) connect();
        }
        if (!state.run.live) {
          stored = true;
          close();
          wait = state.run.verdict.status === "open" ? 5000 : 15000;
        }
      } catch (error) {
        if (stopped) return;
        onLink(error instanceof Refused ? error.message : "no connection to the server; trying again");
        wait = 5000;
      }
    }
    polling = false;
    timer = setTimeout(poll, document.hidden ? Math.max(wait, hiddenWait) : wait);
  };
  const look = () => {
    if (document.hidden) return close();
    tried = -Infinity;
    last = -Infinity; // poll at once, which connects
    poll();
  };
  document.addEventListener("visibilitychange", look);
  poll();
  return () => {
    stopped = true;
    document.removeEventListener("visibilitychange", look);
    close();
    clearTimeout(timer);
  };
}
