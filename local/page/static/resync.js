// A stack's resyncs: what goes on, what the last one did, when the next is due, and the button that begins one.

import { at, element, time } from "./dom.js";
import { placeForResyncs, titleOf } from "./stacks.js";

const views = new Map();

export function show(key, part) {
  if (!part) {
    views.delete(key); // Its place went with the stack's card.
    return;
  }
  const place = placeForResyncs(part.stack);
  if (!place) return;
  let view = views.get(key);
  if (!view || view.place !== place) {
    view = make(place, part);
    views.set(key, view);
  }
  view.part = part;
  fill(view);
}

/** What stays: the button keeps the focus, and the status is one element, so that it is read out when it changes. */
function make(place, { stack, order }) {
  const heading = `resync-${order}`;
  const reason = `resync-reason-${order}`;
  const button = element("button", { type: "button", class: "start", "aria-describedby": reason }, "Resync now");
  const status = element("p", { class: "status", role: "status" });
  const jobs = element("p", { class: "jobs" });
  const why = element("p", { class: "why", id: reason });
  const body = element("div", { class: "counts-of-kinds" });
  const view = { place, stack, button, status, jobs, why, body, part: null, asking: false, answer: "" };
  button.append(element("span", { class: "for-readers" }, ` of ${titleOf(stack)}`));
  button.addEventListener("click", () => start(view));
  place.setAttribute("aria-labelledby", heading);
  place.replaceChildren(
    element("div", { class: "resync-head" }, element("h3", { id: heading }, "Resync"), status, button),
    jobs,
    why,
    body,
  );
  place.hidden = false;
  return view;
}

function fill(view) {
  const { part, button, status, jobs, why, body } = view;
  const running = part.running;
  if (running) view.asking = false;
  const refusal = view.asking ? "It is being started." : part.refusal;
  // Not `disabled`: that would take the focus away from whoever has just pressed it.
  button.setAttribute("aria-disabled", String(Boolean(refusal)));
  put(status, standing(view));
  status.dataset.state = running || view.asking ? "busy" : part.last ? part.last.status : "idle";
  put(why, view.answer || (refusal ? `${refusal}${part.requested && running ? " Another one follows." : ""}` : ""));
  why.dataset.state = view.answer ? "failed" : "idle";
  jobs.replaceChildren(...facts(part));
  body.replaceChildren(...(part.kinds.length ? [table(part)] : []), ...troubles(part));
}

/** Set text only when it is another one: what is set again is read out again. */
function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function standing({ part, asking }) {
  if (part.running) return sentence(part.running.phase);
  if (asking) return "Starting";
  if (!part.last) return "None yet";
  return standings[part.last.status];
}

const standings = { complete: "Complete", partial: "Not complete", failed: "Failed", superseded: "Replaced by another one", dead: "Ended early" };

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function facts({ running, last, due }) {
  const only = (kind) => (kind === "list" ? ", projects and repositories only" : "");
  const waited = (seconds) => (seconds ? `, ${Math.round(seconds)} s of waiting for a limit on requests` : "");
  const told = (name, ...text) => element("span", { class: name }, ...text);
  const found = [];
  if (running) {
    found.push(told("open-jobs", `${running.jobs} ${running.jobs === 1 ? "job" : "jobs"} open`));
    found.push(told("since", "since ", time(at(running.since)), only(running.kind), waited(running.throttled)));
  }
  if (last) {
    const ended = running ? `last one ${standings[last.status].toLowerCase()}, ended ` : "ended ";
    found.push(told("last", ended, time(at(last.ended)), only(last.kind), ", ", last.cost, waited(last.throttled)));
  }
  found.push(due ? told("due", "next ", time(at(due.at)), only(due.kind)) : told("due", "no next one is planned"));
  return found;
}

function table({ kinds, columns }) {
  const used = columns.map((name, place) => place === 0 || kinds.some((one) => one.counts[place]));
  const cells = (values, name) => values.filter((value, place) => used[place]).map((value) => element(name, name === "th" ? { scope: "col" } : {}, String(value)));
  return element(
    "table",
    {},
    element("caption", { class: "for-readers" }, "What it found and did, by kind"),
    element("thead", {}, element("tr", {}, element("td"), ...cells(columns, "th"))),
    element("tbody", {}, ...kinds.map((one) => element("tr", {}, element("th", { scope: "row" }, one.kind), ...cells(one.counts, "td")))),
  );
}

function troubles({ running, last }) {
  if (running || !last) return [];
  const told = [...last.failures, ...last.protected, ...last.blocked, ...last.notes];
  if (last.more) told.push(`and ${last.more} more`);
  return told.length ? [element("ul", { class: "troubles", "aria-label": "What went wrong" }, ...told.map((text) => element("li", {}, text)))] : [];
}

async function start(view) {
  if (view.button.getAttribute("aria-disabled") === "true") return;
  view.asking = true;
  view.answer = "";
  fill(view);
  try {
    const answer = await fetch("/resync", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ stack: view.stack }),
    });
    if (!answer.ok) view.answer = (await answer.text()).trim();
  } catch {
    view.answer = "The machine did not answer.";
  }
  // Until the machine is seen to run one; in a moment it may be over already.
  setTimeout(() => settle(view), view.answer ? 0 : 1500);
}

function settle(view) {
  view.asking = false;
  fill(view);
}
