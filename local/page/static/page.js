// Keeps the page true to the machine: one stream of parts, each handed to whoever shows it.

import * as catalog from "./catalog.js";
import * as deliveries from "./deliveries.js";
import { at, setToday, time } from "./dom.js";
import * as resync from "./resync.js";
import * as stacks from "./stacks.js";

const by = (id) => document.getElementById(id);
const parts = new Map();

const shows = {
  clock: showClock,
  overview: showOverview,
  catalog: (key, part) => catalog.showWhere(part),
  stack: stacks.show,
  resync: resync.show,
  blueprint: catalog.showBlueprint,
  entity: catalog.showEntity,
  delivery: deliveries.show,
};

const kind = (key) => key.split("/", 1)[0];
// A blueprint before its entities, a stack before its deliveries.
const order = ["clock", "catalog", "overview", "stack", "resync", "blueprint", "entity", "delivery"];

/** `set`: parts that are new or other than before; `gone`: keys; `whole`: nothing else is there any more. */
function take(message) {
  const first = parts.size === 0;
  const gone = message.whole ? [...parts.keys()].filter((key) => !(key in message.set)) : message.gone;
  for (const key of gone) {
    parts.delete(key);
    shows[kind(key)]?.(key, null, { quiet: first });
  }
  const keys = Object.keys(message.set).filter((key) => JSON.stringify(parts.get(key)) !== JSON.stringify(message.set[key]));
  keys.sort((a, b) => order.indexOf(kind(a)) - order.indexOf(kind(b)));
  for (const key of keys) {
    const before = parts.get(key);
    parts.set(key, message.set[key]);
    shows[kind(key)]?.(key, message.set[key], { quiet: first, before });
  }
  catalog.settle();
  deliveries.settle();
}

function showOverview(key, part) {
  if (!part) return;
  by("overview").dataset.level = part.level;
  by("headline").textContent = part.headline;
  by("detail").textContent = part.detail;
  by("counts").textContent = part.counts.join(" · ");
  document.title = part.level === "ok" ? "Bitbucket to Port" : `${part.headline} · Bitbucket to Port`;
}

function showClock(key, part) {
  if (!part) return;
  setToday(part.now);
  by("clock").hidden = !part.simulated;
  const speed = part.scale === 1 ? "" : `, ${part.scale} times as fast as ours`;
  by("clock").replaceChildren("The machine’s time is about ", time(at(part.now)), speed);
}

function connected(state, text) {
  by("connection").dataset.state = state;
  by("connection").textContent = text;
}

function connect() {
  const stream = new EventSource("/events");
  stream.onopen = () => connected("live", "Live");
  stream.onmessage = (event) => take(JSON.parse(event.data));
  stream.onerror = () => {
    connected("lost", parts.size ? "Connection lost; this is how it was. Trying again" : "No connection yet. Trying again");
    if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 1000);
  };
}

connect();
